"""Copies of an SQLite file: taken while it is in use, checked, and put in the place of another."""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import Final

from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from app.database.sqlite.checkpoint_lock import CheckpointLock
from app.progress import Progress

# 8 MiB of pages of 4 KiB: a step so short that progress is seen.
_PAGES: Final = 2048

# Where SQLite keeps its locks, see https://sqlite.org/src/file/src/os.h: every connection that uses a log holds a
# shared one on the range that begins here for as long as it is open, inside a transaction or not.
_SHARED_LOCK: Final = 0x40000000 + 2


class CopyError(Exception):
    """A copy could not be made, or cannot be used; what was there is as it was. The text is one line."""


def size_of(source: sqlite3.Connection) -> int:
    """Return how many bytes a copy of the database takes."""
    pages, page_size = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * page_size)


def copy_sqlite(source: sqlite3.Connection, target: Path, progress: Progress) -> None:
    """Copy what the source's open transaction sees into an empty file; raise CopyError when that cannot be written.

    The transaction keeps that state alive, so that writers do not wait and the copy never begins anew because of them.
    """
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            # It is synced once, when it is whole.
            copy.execute("PRAGMA synchronous=OFF")
            copy.execute("PRAGMA journal_mode=OFF")
            source.backup(copy, pages=_PAGES, progress=lambda _, left, total: progress("Copying", total - left, total))
            # Without a log beside it, so that reading the copy never changes it. The service turns the log on again.
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise CopyError(f"cannot copy the database: {error}") from error


def check_sqlite(path: Path) -> int:
    """Return how many rows refer to rows that are gone; raise CopyError unless a file at rest is otherwise sound."""
    try:
        with closing(sqlite3.connect(_at_rest(path), uri=True)) as copy:
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            orphans = len(copy.execute("PRAGMA foreign_key_check").fetchall())
    except sqlite3.DatabaseError as error:
        raise CopyError(f"{path} is no sound database: {error}") from error
    if found != "ok":
        raise CopyError(f"{path} is no sound database: {' '.join(found.split())}")
    return orphans


@contextmanager
def reading(path: Path) -> Iterator[Session]:
    """Give a session that reads a file at rest and leaves nothing beside it."""
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(_at_rest(path), uri=True), poolclass=NullPool)
    with Session(engine) as session:
        yield session


def _at_rest(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


@contextmanager
def used_by_nobody(database: Path) -> Iterator[None]:
    """Keep every other process from opening the database, if it is there, and from restoring it in any case.

    Raises CopyError when one has it open or is restoring it.
    """
    lock = CheckpointLock(database)
    with ExitStack() as locks:
        locks.callback(lock.release)
        if not (lock.acquire() and _has_locked(database, locks)):
            raise CopyError(f"{database} is in use; stop the service and whatever else reads it, or restores it")
        yield


def _has_locked(database: Path, locks: ExitStack) -> bool:
    """Ask for SQLite's own lock, if the file is there, and not SQLite: what is to be replaced may be damaged."""
    if database.exists():
        file = os.open(database, os.O_RDWR | os.O_CLOEXEC)
        locks.callback(os.close, file)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SHARED_LOCK)
        except BlockingIOError:
            return False
    return True


def replace(database: Path, new: Path, kept: Path) -> list[tuple[Path, Path]]:
    """Put a new file in the database's place and keep the old one, and its log, under another name.

    Returns what was renamed, old names first. The new file gets the owner and the rights of the old one. When the power
    fails meanwhile there is one of the two with what belongs to it, or none, which the service says at its start.
    """
    if database.exists():
        status = database.stat()
        shutil.chown(new, status.st_uid, status.st_gid)
        new.chmod(S_IMODE(status.st_mode))
    sync(new)
    side_files = [path for suffix in ("-wal", "-journal") if (path := _beside(database, suffix)).exists()]
    renamed = []
    # Its log gets the new name beside the old one, so that the database never stands anywhere without it.
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
    """Wait until a file, or the names in a folder, are on disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
