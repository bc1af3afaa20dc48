"""The SQLite file that was opened: that it or its log is lost, or it is damaged is noticed before the next commit."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from app.database.errors import UPGRADE, DatabaseUnavailable, damaged, is_damage
from app.database.limits import BUSY_TIMEOUT_S
from app.database.sqlite.checkpoint_lock import Checkpoints

# How long a file that was overwritten can go on being written to. A look costs a third of a millisecond.
LOOK_EVERY_S: Final = 1.0

# A time stamp is at most as coarse as this: the clock ticks a hundred times a second or more, some file systems
# keep whole seconds, and FAT two.
_SETTLED_NS: Final = 3_000_000_000


# The device and the number of a file; those of a folder, and when a name in it last came or went.
_Identity = tuple[int, int]
_Entries = tuple[int, int, int]


def _identity(path: Path) -> _Identity:
    status = path.stat()
    return status.st_dev, status.st_ino


def _is(path: Path, opened: _Identity) -> bool:
    try:
        return _identity(path) == opened
    except OSError:
        return False


class SqliteFile:
    """The file that was opened, so that a moved, deleted or replaced one is noticed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path)
        # SQLite puts the log beside the file itself, not beside a link to it.
        real = path.resolve()
        self._folder, self._linked = path.parent, path.is_symlink()
        self._log_path = real.with_name(f"{real.name}-wal")
        self._log: _Identity | None = None
        self._entries: _Entries | None = None
        self._damage: str | None = None
        self._look_again_at = 0.0
        try:
            self._opened = _identity(path)
        except FileNotFoundError:
            raise DatabaseUnavailable(f"there is no database at {path}; {UPGRADE}") from None
        except OSError as error:
            raise DatabaseUnavailable(f"cannot open {path}: {error.strerror}") from error

    def refuse_lost(self) -> None:
        """Raise DatabaseUnavailable when what is committed now would be found by nobody.

        SQLite does not notice when the file or its log has lost its name, and writes on into nowhere. That the content
        is no database any more it notices where it reads, which a writer with a cache hardly does.
        """
        entries = self._entries_now()
        if entries is None or entries != self._entries:
            for path, opened in ((self.path, self._opened), (self._log_path, self._log)):
                if opened is not None and not _is(path, opened):
                    raise self._lost(path)
            self._entries = entries
        if self._damage is not None:
            raise damaged(self._damage)
        if time.monotonic() >= self._look_again_at:
            self._look()
            self._look_again_at = time.monotonic() + LOOK_EVERY_S

    def _entries_now(self) -> _Entries | None:
        """Return what differs as soon as a name in the folder comes or goes, or None while it cannot be relied on.

        Asking the folder spares asking the log: since Linux 6.13 a file whose times were read takes a finer, dearer
        time stamp at its next write, see https://docs.kernel.org/filesystems/multigrain-ts.html. Before, two changes
        at nearly the same time could leave the same stamp on the folder, so that has to be some seconds old. Where the
        path is a link, the folder knows nothing of the file.
        """
        try:
            status = self._folder.stat()
        except OSError:
            return None
        # The time of the last change cannot be set, unlike that of the last modification, which tar and rsync put back.
        settled = time.time_ns() - status.st_ctime_ns > _SETTLED_NS
        return (status.st_dev, status.st_ino, status.st_ctime_ns) if settled and not self._linked else None

    def _look(self) -> None:
        """Read where the tables are, as somebody who opens the file now, past every cache."""
        try:
            with closing(self._connected()) as connection:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            self.note_damage(error)
            raise damaged(str(error)) if self._damage else DatabaseUnavailable(str(error)) from error

    def _lost(self, path: Path) -> DatabaseUnavailable:
        remedy = "restart the service"
        if not path.exists() and path != self._log_path:
            # Started without it, the service would begin an empty one.
            remedy = f"put it or a backup back, then {remedy}"
        return DatabaseUnavailable(f"{path} was moved, deleted or replaced; {remedy}")

    def note_damage(self, error: BaseException) -> None:
        """Remember it if the error says that the content is no sound database: nothing is added to such a one."""
        if is_damage(error):
            self._damage = str(error)

    def expect_log(self) -> None:
        """Expect the log that a connection has just opened until it is closed; raise DatabaseUnavailable without it."""
        try:
            self._log = _identity(self._log_path)
        except OSError as error:
            raise self._lost(self._log_path) from error

    def forget_log(self) -> None:
        """Expect another log: the last connection that is closed takes it away."""
        self._log = None

    def connect(self) -> sqlite3.Connection:
        """Connect to the file. It is never created here: an empty one would hide that the data is gone."""
        self.refuse_lost()
        return self._connected()

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_S,  # In force before any PRAGMA, since journal_mode=WAL takes a lock itself.
            isolation_level=None,  # Otherwise the driver decides by itself when a transaction begins.
            check_same_thread=False,  # A pooled connection serves one thread after another.
        )
