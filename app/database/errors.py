"""The errors of a database, the same for SQLite and PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# Too many connections, a lock or a statement that took too long, a deadlock, a serialisation failure.
_POSTGRES_BUSY: Final = ("53300", "55P03", "57014", "40P01", "40001")
_POSTGRES_FULL: Final = "53100"
# SQL's code for a commit that may or may not have been made.
OUTCOME_UNKNOWN: Final = "08007"

UPGRADE: Final = "run: alembic upgrade head"


class DatabaseError(Exception):
    """The database did not do what was asked. The text is safe to log.

    Nothing was stored, unless it is an OutcomeUnknown.
    """


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, read or written."""


class OutcomeUnknown(DatabaseError):
    """The commit was not answered for, so nobody can tell whether it was stored."""


class DatabaseFull(DatabaseError):
    """There is no room for another row."""


class DatabaseBusy(DatabaseError):
    """Too many others are waiting, or a lock was not given in time."""


def sqlite_code(error: BaseException) -> int:
    """Return SQLite's primary code of the error, 0 for an error of something else."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: BaseException) -> bool:
    """Say whether the error is SQLite's word that the content of the file is no sound database."""
    return sqlite_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damaged(cause: str) -> DatabaseUnavailable:
    """Return what to raise for a damaged file."""
    return DatabaseUnavailable(f"the database is damaged ({cause}); stop the service and put a backup back")


def _translated(error: SQLAlchemyError) -> DatabaseError:
    """Name the cause in words that hold neither the statement nor its values."""
    original = getattr(error, "orig", None)
    if isinstance(error, PoolTimeout):
        return DatabaseBusy("no connection became free in time")
    if original is None:
        return DatabaseUnavailable(type(error).__name__)
    # What follows the first line of a PostgreSQL message may quote the row.
    cause = str(original).strip().partition("\n")[0]
    code = sqlite_code(original)
    state = getattr(original, "sqlstate", None)
    if code == sqlite3.SQLITE_FULL or state == _POSTGRES_FULL:
        return DatabaseFull(cause)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or state in _POSTGRES_BUSY:
        return DatabaseBusy(cause)
    if is_damage(original):
        return damaged(cause)
    if state == OUTCOME_UNKNOWN:
        return OutcomeUnknown(f"the commit was not answered for, and may have been made or not: {cause}")
    return DatabaseUnavailable(cause)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise every error of SQLAlchemy and of the drivers below it as a DatabaseError."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _translated(error) from error
