import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event

from app.atomic_file import create_private
from app.database.errors import DatabaseUnavailable

# Long enough for another migration to finish.
_BUSY_TIMEOUT_S: Final = 30


def is_missing(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and not _path(url).exists()


def migration_engine(url: URL) -> Engine:
    """Create the engine and, if it is missing, the file, private to its owner."""
    path = _path(url)
    if not path.exists():
        _check_not_lost(path)
        # Another migration may have created it.
        with suppress(FileExistsError):
            create_private(path).close()
    # Batch mode copies a table and drops the old one. With foreign keys on, the drop would delete the rows that refer
    # to it; without legacy_alter_table, a view of the table would stop the migration. Neither can be set inside a
    # transaction.
    pragmas = ["foreign_keys=OFF", "legacy_alter_table=ON"]
    if path.stat().st_size == 0:
        # Only possible in an empty file.
        pragmas.insert(0, "auto_vacuum=INCREMENTAL")
    return _engine(url, partial(_connect, path, pragmas), "BEGIN IMMEDIATE")


def question_engine(url: URL) -> Engine:
    """Create an engine that takes no write lock and creates no file; a missing file is an empty database."""
    if is_missing(url):
        return create_engine("sqlite://")
    return _engine(url, partial(_connect, _path(url), ["query_only=ON"]), "BEGIN")


def _path(url: URL) -> Path:
    return Path(url.database or "").resolve()


def _check_not_lost(path: Path) -> None:
    """Raise DatabaseUnavailable if files of a lost database remain: a new one would hide the loss."""
    names = (f"{path.name}-wal", f"{path.name}.before-")
    left = [other for other in path.parent.iterdir() if other.name.startswith(names)]
    if left:
        raise DatabaseUnavailable(
            f"{path} is missing, but {max(left)} exists; put the database back or restore a backup"
            " (python -m app restore); to start with an empty database, move that file away"
        )


def _connect(path: Path, pragmas: list[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    # A running service checkpoints the WAL; two processes that do so can corrupt the file (WAL-reset bug).
    for pragma in (*pragmas, "wal_autocheckpoint=0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _engine(url: URL, connect: partial[sqlite3.Connection], begin: str) -> Engine:
    engine = create_engine(url, creator=connect, poolclass=NullPool)

    # Otherwise sqlite3 commits before each schema change, and a failed migration cannot be rolled back or repeated.
    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
