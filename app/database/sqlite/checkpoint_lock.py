"""A lock that lets one process at a time checkpoint the WAL.

Two processes could corrupt the file before SQLite 3.51.3: https://sqlite.org/wal.html#the_wal_reset_bug
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

_POLL_INTERVAL_S: Final = 0.01


class CheckpointLock:
    """Held during a transaction, so that its checkpoint always has pages to copy."""

    def __init__(self, database: Path) -> None:
        # The folder is locked, because closing the file would drop SQLite's own locks.
        self._path = database.resolve().parent
        self._folder: int | None = None

    def acquire(self, timeout_s: float = 0.0) -> bool:
        deadline = time.monotonic() + timeout_s
        while not self._try_lock():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_INTERVAL_S)
        return True

    def release(self) -> None:
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def _try_lock(self) -> bool:
        if self._folder is None:
            folder = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(folder)
                return False
            self._folder = folder
        return True
