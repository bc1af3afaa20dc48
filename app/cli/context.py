from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from app.cli.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.database import Database

T = TypeVar("T")

CLIENT: Final = "command line"
"""The stored client of predictions and source of labels."""


@contextmanager
def open_database(*, at_any_revision: bool = False, beside_service: bool = True) -> Iterator["Database"]:
    """Open the database; raise CommandError if it needs an upgrade, unless `at_any_revision`."""
    from app.config import get_settings
    from app.database import Database

    database = Database(get_settings().database_url, beside_service=beside_service)
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
