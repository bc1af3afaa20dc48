import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from app.cli.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.database import Database
    from app.schemas.audit import Action
    from app.services.audit import Actor

T = TypeVar("T")

CLIENT: Final = "command line"
"""The stored client of predictions and source of labels."""


def actor() -> "Actor":
    """Return who is named in the audit log."""
    from app.services.audit import Actor

    # The environment could name anyone.
    user = os.getuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = str(user)
    return Actor(f"{CLIENT} ({name})", None)


@contextmanager
def open_database(
    url: str | None = None, *, at_any_revision: bool = False, beside_service: bool = True
) -> Iterator["Database"]:
    """Open DATABASE_URL or `url`; raise CommandError if it needs an upgrade, unless `at_any_revision`."""
    from app.config import get_settings
    from app.database import Database

    database = Database(url or get_settings().database_url, beside_service=beside_service)
    try:
        if not at_any_revision and (problem := database.schema_problem()):
            raise CommandError(problem, ExitCode.UNAVAILABLE)
        yield database
    finally:
        database.close()


def read(work: "Callable[[Session], T]") -> T:
    with open_database() as database, database.snapshot() as session:
        return work(session)


def write(work: "Callable[[Session], T]") -> T:
    with open_database() as database, database.transaction() as session:
        return work(session)


def record_read(action: "Action", what: str) -> None:
    from app.services.audit import record_at_once

    with open_database() as database:
        record_at_once(database, actor(), action, what)
