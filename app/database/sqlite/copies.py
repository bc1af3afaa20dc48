"""Copy, check and replace SQLite files."""

import fcntl
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import Final

from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from app.database.sqlite.checkpoint_lock import CheckpointLock
from app.progress import Progress

# Pages of 4 KiB, copied in one step.
_PAGES: Final = 2048

# Of a table or an index, measured on a million predictions: 4 to 9.
_STEPS_FOR_A_ROW: Final = 6
_STEPS_SHOWN: Final = 1_000_000

# The byte that every connection locks: https://sqlite.org/src/file/src/os.h
_SHARED_LOCK: Final = 0x40000000 + 2


class CopyError(Exception):
    """A copy cannot be made or used."""


def size_of(source: sqlite3.Connection) -> int:
    pages, page_size = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * page_size)


def copy_sqlite(source: sqlite3.Connection, target: Path, progress: Progress) -> None:
    """Copy what the open transaction sees."""
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            # The finished file is synced once.
            copy.execute("PRAGMA synchronous=OFF")
            copy.execute("PRAGMA journal_mode=OFF")
            source.backup(copy, pages=_PAGES, progress=lambda _, left, total: progress("Copying", total - left, total))
            # Reading a file in WAL mode changes it.
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise CopyError(f"cannot copy the database: {error}") from error


def check_sqlite(path: Path, rows: Mapping[str, int], progress: Progress) -> int:
    """Count rows that refer to missing rows; raise CopyError for a damaged file. The progress follows from `rows`."""
    try:
        with closing(sqlite3.connect(_at_rest(path), uri=True)) as copy:
            _show_steps(copy, rows, progress)
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            orphans = len(copy.execute("PRAGMA foreign_key_check").fetchall())
    except sqlite3.DatabaseError as error:
        raise CopyError(f"{path} is not a valid database: {error}") from error
    if found != "ok":
        raise CopyError(f"{path} is not a valid database: {' '.join(found.split())}")
    return orphans


def _show_steps(copy: sqlite3.Connection, rows: Mapping[str, int], progress: Progress) -> None:
    """Report SQLite's steps as a share of those that all rows and index entries need."""
    trees = Counter(name for (name,) in copy.execute("SELECT tbl_name FROM sqlite_schema WHERE rootpage > 0"))
    total = sum(size * trees[name] for name, size in rows.items()) * _STEPS_FOR_A_ROW
    steps = 0

    def show() -> None:
        nonlocal steps
        steps += _STEPS_SHOWN
        progress("Checking", min(steps, total - 1), total)

    if total > _STEPS_SHOWN:
        copy.set_progress_handler(show, _STEPS_SHOWN)


@contextmanager
def reading(path: Path) -> Iterator[Session]:
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(_at_rest(path), uri=True), poolclass=NullPool)
    with Session(engine) as session:
        yield session


def _at_rest(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


@contextmanager
def used_by_nobody(database: Path) -> Iterator[None]:
    """Lock out other processes; raise CopyError if one uses the file."""
    lock = CheckpointLock(database)
    with ExitStack() as locks:
        locks.callback(lock.release)
        if not (lock.acquire() and _try_lock_file(database, locks)):
            raise CopyError(f"{database} is in use; stop the service and every other program that uses it")
        yield


def _try_lock_file(database: Path, locks: ExitStack) -> bool:
    if database.exists():
        file = os.open(database, os.O_RDWR | os.O_CLOEXEC)
        locks.callback(os.close, file)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SHARED_LOCK)
        except BlockingIOError:
            return False
    return True


def give_to_owner_of(database: Path, new: int, backup: Path) -> None:
    """Give an open file the owner and mode of the database, or the owner of its folder or of the backup."""
    exists = database.exists()
    if exists or os.geteuid() == 0:
        status = (database if exists else database.parent).stat()
        # In root's folder the service's files are its own.
        if not exists and status.st_uid == 0:
            status = backup.stat()
        # By descriptor, because another user may replace the file.
        os.fchown(new, status.st_uid, status.st_gid)
        if exists:
            os.fchmod(new, S_IMODE(status.st_mode))
    os.fsync(new)


def replace(database: Path, new: Path, kept: Path) -> list[tuple[Path, Path]]:
    """Replace the database, keep the old one; return the renames, old names first.

    A power cut leaves the old file, the new one, or none.
    """
    side_files = [path for suffix in ("-wal", "-journal") if (path := _beside(database, suffix)).exists()]
    renamed = []
    # The database must never lack its WAL.
    for path in side_files:
        renamed.append((path, _beside(kept, path.name.removeprefix(database.name))))
        renamed[-1][1].hardlink_to(path)
    if database.exists():
        renamed.insert(0, (database, database.rename(kept)))
    sync(database.parent)
    for path in (*side_files, _beside(database, "-shm")):
        path.unlink(missing_ok=True)
    sync(database.parent)
    new.replace(database)
    sync(database.parent)
    return renamed


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(f"{database.name}{suffix}")


def sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
