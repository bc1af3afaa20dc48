import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.config import IS_INSTALLED

_SQLITE_NO_ACCESS: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
# SQLSTATEs of connection limits, timeouts, deadlocks and serialisation failures.
_POSTGRES_BUSY: Final = ("53300", "55P03", "57014", "40P01", "40001")
_POSTGRES_FULL: Final = "53100"
OUTCOME_UNKNOWN: Final = "08007"

AS_OWNER: Final = "run it as the user that owns the file and its folder, such as: sudo -u produser"
UPGRADE: Final = "run: pixelwise upgrade" if IS_INSTALLED else "run: alembic upgrade head"


class DatabaseError(Exception):
    """The text is safe to log. Nothing was stored, except after OutcomeUnknown."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be used."""


class CallerTimedOut(DatabaseUnavailable):
    """A caller of the transaction got an error before the commit."""


class OutcomeUnknown(DatabaseError):
    """The commit may have been made."""


class DatabaseFull(DatabaseError):
    """The disk is full."""


class DatabaseBusy(DatabaseError):
    """The queue is full, or a lock timed out."""


def describe(error: Exception) -> str:
    return f"the database is busy ({error}); try again" if isinstance(error, DatabaseBusy) else str(error)


def sqlite_code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: BaseException) -> bool:
    return sqlite_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damaged(cause: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"the database is damaged ({cause}); stop the service and restore a backup")


def unavailable(error: BaseException, cause: str) -> DatabaseUnavailable:
    if is_damage(error):
        return damaged(cause)
    if sqlite_code(error) in _SQLITE_NO_ACCESS:
        return DatabaseUnavailable(f"{cause}; {AS_OWNER}")
    return DatabaseUnavailable(cause)


def _translated(error: SQLAlchemyError) -> DatabaseError:
    original = getattr(error, "orig", None)
    if isinstance(error, PoolTimeout):
        return DatabaseBusy("no connection was free in time")
    if original is None:
        return DatabaseUnavailable(type(error).__name__)
    # Later lines may contain values of the row.
    cause = str(original).strip().partition("\n")[0]
    code = sqlite_code(original)
    state = getattr(original, "sqlstate", None)
    if code == sqlite3.SQLITE_FULL or state == _POSTGRES_FULL:
        return DatabaseFull(cause)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or state in _POSTGRES_BUSY:
        return DatabaseBusy(cause)
    if state == OUTCOME_UNKNOWN:
        return OutcomeUnknown(f"the outcome of the commit is unknown; the row may or may not be stored ({cause})")
    return unavailable(original, cause)


@contextmanager
def translated_errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise _translated(error) from error
