import sqlite3
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event

from app.atomic_file import create_private
from app.database.errors import AS_OWNER, DatabaseUnavailable
from app.database.url import sqlite_path

# Long enough for another migration to finish.
_BUSY_TIMEOUT_S: Final = 30


def is_missing(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and not sqlite_path(url).exists()


def migration_engine(url: URL) -> Engine:
    """Create the engine and a missing file."""
    path = sqlite_path(url)
    if not path.exists():
        _check_not_lost(path)
        try:
            create_private(path).close()
        except FileExistsError:
            pass  # Another migration created it.
        except OSError as error:
            raise DatabaseUnavailable(f"cannot create {path}: {error.strerror}; {AS_OWNER}") from error
    # Batch mode drops the old table: with foreign keys, rows that refer to it would be deleted; without
    # legacy_alter_table, a view of it would stop the migration.
    # A read-only system has no folder for temporary files.
    pragmas = ["foreign_keys=OFF", "legacy_alter_table=ON", "temp_store=MEMORY"]
    if path.stat().st_size == 0:
        # Only possible in an empty file.
        pragmas.insert(0, "auto_vacuum=INCREMENTAL")
    return _engine(url, partial(_connect, path, pragmas), "BEGIN IMMEDIATE")


def question_engine(url: URL) -> Engine:
    """Create an engine without a write lock; a missing file is an empty database."""
    if is_missing(url):
        return create_engine("sqlite://")
    return _engine(url, partial(_connect, sqlite_path(url), ["query_only=ON"]), "BEGIN")


def _check_not_lost(path: Path) -> None:
    """Raise DatabaseUnavailable if files of a lost database remain."""
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
    # See app/database/sqlite/checkpoint_lock.py.
    for pragma in (*pragmas, "wal_autocheckpoint=0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _engine(url: URL, connect: partial[sqlite3.Connection], begin: str) -> Engine:
    engine = create_engine(url, creator=connect, poolclass=NullPool)

    # Otherwise sqlite3 commits before each schema change.
    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
