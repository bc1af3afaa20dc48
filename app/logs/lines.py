"""The lines of the log: LOG_FORMAT=text or json, for uvicorn's messages and ours."""

import logging
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from app.config import wants_json_log
from app.logs.printable import printable

_COLOURS: Final = {"WARNING": 33, "ERROR": 31, "CRITICAL": 91}
_encode: Final = msgspec.json.Encoder().encode


class LineFormatter(logging.Formatter):
    def __init__(self, *, use_colors: bool | None = None) -> None:
        """`use_colors` as in uvicorn: by default only on a terminal."""
        super().__init__()
        self.json = wants_json_log()
        self.use_colors = not self.json and (sys.stderr.isatty() if use_colors is None else use_colors)

    def format(self, record: logging.LogRecord) -> str:
        at, level = timestamp(record.created), record.levelname
        # uvicorn.error is the logger of all its messages.
        name, message = record.name.removesuffix(".error"), printable(record.getMessage())
        traceback = self.formatException(record.exc_info) if record.exc_info else ""
        if self.json:
            members = {"time": at, "level": level, "logger": name, "message": message}
            return json_line(members | ({"traceback": traceback} if traceback else {}))
        level = coloured(level, _COLOURS.get(level, 32)) if self.use_colors else level
        # Indented, so that no line of it looks like a message.
        lines = [f"{at} {level} {name}: {message}", *(f"    {printable(line)}" for line in traceback.splitlines())]
        return "\n".join(lines)


def json_line(members: Mapping[str, Any]) -> str:
    try:
        return _encode(members).decode()
    except UnicodeEncodeError:
        # JSON has no lone surrogates.
        return json_line(
            {name: str(value).encode("utf-8", "backslashreplace").decode() for name, value in members.items()}
        )


def coloured(text: str, colour: int) -> str:
    return f"\033[{colour}m{text}\033[0m"


def timestamp(at: float) -> str:
    """Return RFC 3339 in UTC, with milliseconds."""
    second = int(at)
    return f"{_second(second)}.{int((at - second) * 1000):03}Z"


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def log_to_stderr(*, debug: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    # It warns of each malformed form.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler])
