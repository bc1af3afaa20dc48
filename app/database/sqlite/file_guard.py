"""The check that the SQLite file is still in place."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from app.database.errors import AS_OWNER, UPGRADE, DatabaseUnavailable, damaged, is_damage, unavailable
from app.database.limits import BUSY_TIMEOUT_S
from app.database.sqlite.checkpoint_lock import CheckpointLock

# A probe takes 0.3 ms.
PROBE_INTERVAL_S: Final = 1.0

# https://sqlite.org/fileformat2.html#walformat
_WAL_MAGIC: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")

# FAT's time stamps, the coarsest, are 2 s apart.
SETTLED_NS: Final = 3_000_000_000

# Device and inode.
_Identity = tuple[int, int]


def _identity(path: Path) -> _Identity:
    status = path.stat()
    return status.st_dev, status.st_ino


def _is(path: Path, opened: _Identity) -> bool:
    try:
        return _identity(path) == opened
    except OSError:
        return False


class FileGuard:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint_lock = CheckpointLock(path)
        # SQLite puts the WAL beside a link's target.
        real = path.resolve()
        self._wal_path = real.with_name(f"{real.name}-wal")
        self._opened_wal: _Identity | None = None
        self._checked_folder: tuple[int, int, int] | None = None
        # A power cut can leave zeros, which SQLite replaces.
        self._wal_was_valid = self._wal_magic() in (b"", *_WAL_MAGIC)
        self._emptied = False
        self._damage: str | None = None
        self._next_probe = 0.0
        try:
            self._opened = _identity(path)
        except FileNotFoundError:
            raise DatabaseUnavailable(f"there is no database at {path}; {UPGRADE}") from None
        except OSError as error:
            raise DatabaseUnavailable(f"cannot open {path}: {error.strerror}; {AS_OWNER}") from error

    def check_still_there(self) -> None:
        """Raise DatabaseUnavailable if the file or its WAL was moved, deleted, replaced, emptied or damaged."""
        if not _is(self.path, self._opened):
            raise self._lost(self.path)
        self._check_wal()
        if self._emptied:
            raise self._wal_emptied()
        if self._damage is not None:
            raise damaged(self._damage)
        if time.monotonic() >= self._next_probe:
            self._probe()
            self._next_probe = time.monotonic() + PROBE_INTERVAL_S

    def _check_wal(self) -> None:
        # A stat of the WAL slows the next write down; see docs/decisions/0008-wal-identity.md.
        try:
            folder = self._wal_path.parent.stat()
        except OSError:
            raise self._lost(self._wal_path) from None
        unchanged = folder.st_dev, folder.st_ino, folder.st_ctime_ns
        if unchanged == self._checked_folder:
            return
        if self._opened_wal is not None and not _is(self._wal_path, self._opened_wal):
            raise self._lost(self._wal_path)
        # Two changes may have the same stamp.
        settled = time.time_ns() - folder.st_ctime_ns > SETTLED_NS
        self._checked_folder = unchanged if settled else None

    def may_checkpoint(self) -> bool:
        """Raise DatabaseUnavailable if the WAL was emptied in place: a checkpoint would damage the file."""
        magic = self._wal_magic()
        if magic in _WAL_MAGIC:
            self._wal_was_valid = True
        elif magic and self._wal_was_valid:
            self._emptied = True
            # SQLite also checkpoints on close.
            os.truncate(self._wal_path, 0)
            raise self._wal_emptied()
        # Another process truncated an empty WAL, or it was emptied just now.
        return magic in _WAL_MAGIC

    def _wal_magic(self) -> bytes:
        try:
            with self._wal_path.open("rb", buffering=0) as wal:
                return wal.read(4)
        except OSError:
            return b""

    def _wal_emptied(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"{self._wal_path} was emptied, and the rows in it are lost; restart the service")

    def _probe(self) -> None:
        self.may_checkpoint()
        # A new connection has no cached pages.
        try:
            with closing(self._open()) as connection:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            self.note_damage(error)
            raise unavailable(error, str(error)) from error

    def _lost(self, path: Path) -> DatabaseUnavailable:
        remedy = "restart the service"
        if not path.exists() and path != self._wal_path:
            remedy = f"put it back or restore a backup, then {remedy}"
        return DatabaseUnavailable(f"{path} was moved, deleted or replaced; {remedy}")

    def note_damage(self, error: BaseException) -> None:
        """Raise DatabaseUnavailable if a WAL emptied in place is the cause."""
        if is_damage(error):
            self._damage = str(error)
        is_short_read = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHORT_READ
        if is_short_read and self._wal_path.exists() and not self._wal_magic():
            self._emptied = True
            raise self._wal_emptied() from error

    def expect_wal(self) -> None:
        """Check from now on for the WAL that is open."""
        try:
            self._opened_wal = _identity(self._wal_path)
        except OSError as error:
            raise self._lost(self._wal_path) from error

    def forget_wal(self) -> None:
        self._opened_wal = None

    def connect(self) -> sqlite3.Connection:
        """Connect, but never create a file."""
        self.check_still_there()
        return self._open()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_S,  # Also for journal_mode=WAL, which takes a lock.
            isolation_level=None,
            check_same_thread=False,
        )
