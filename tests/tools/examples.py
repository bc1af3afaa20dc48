"""What the rules for Python find: each line with the name of a rule, and no other. Nothing runs this file."""

import hmac
import logging
import urllib.request  # found: request-to-another-host
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.requests import Request

_log = logging.getLogger(__name__)


def sql(session: Session, digit: str) -> None:
    session.execute(text(f"SELECT id FROM predictions WHERE prediction = '{digit}'"))  # found: sql-with-values
    session.execute(text("SELECT id FROM predictions WHERE prediction = '%s'" % digit))  # found: sql-with-values  # noqa: UP031
    session.execute(text("SELECT id FROM predictions WHERE prediction = " + digit))  # found: sql-with-values
    session.execute(text("SELECT id FROM predictions WHERE prediction = :digit"), {"digit": digit})


def logs(secret_api_key: str, body: bytes, path: Path) -> None:
    _log.warning("wrong key: %s", secret_api_key)  # found: secret-in-log
    _log.info("read %s", body)  # found: secret-in-log
    _log.info(f"opened {path}")  # found: text-built-before-log
    _log.info("opened %s; the password is not logged", path)


def is_right(api_key: str, given: str) -> bool:
    if given == api_key:  # found: secret-compared-in-variable-time
        return True
    return hmac.compare_digest(given.encode(), api_key.encode())


async def read(request: Request) -> Any:
    link = f"{request.base_url}results"  # found: host-header-used
    host = request.headers.get("host")  # found: host-header-used
    return link, host, await request.json()  # found: body-read-elsewhere


def files(path: Path) -> Any:
    path.write_text("half")  # found: file-written-in-place
    with path.open("w") as file:  # found: file-written-in-place
        file.write("half")
    with path.open("rb") as file:
        file.read()
    urllib.request.urlopen("https://example.org")
    return np.load(path, allow_pickle=True)  # found: pickled-array
