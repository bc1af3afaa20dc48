"""Whose turn it is to move SQLite's log into the file: one process's alone, however many use the database.

Before SQLite 3.51.3 two that do it one right after the other can corrupt the file: when the first has moved everything
and the second finds nothing left to do while a third begins the log anew, see
https://sqlite.org/wal.html#the_wal_reset_bug
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

_TRY_EVERY_S: Final = 0.01


class Checkpoints:
    """A turn that one process has, from before its transaction until after it.

    So whoever moves the log has just added to it, and nobody else has moved that yet: there always is something left to
    do. The turn ends with the process, however that ends, and whoever writes next takes it.
    """

    def __init__(self, database: Path) -> None:
        """Take the path of the database.

        What is locked is its folder. A lock file could be deleted, and closing the database itself, which is how a
        lock ends, would take away the locks that SQLite has on it.
        """
        self._path = database.resolve().parent
        self._folder: int | None = None

    def take_turn(self, patience_s: float = 0.0) -> bool:
        """Return whether it is this process's turn, after waiting so long at most; raise OSError without a folder."""
        deadline = time.monotonic() + patience_s
        while not self._locked():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_TRY_EVERY_S)
        return True

    def end_turn(self) -> None:
        """Let others have the turn, if it was this process's."""
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def _locked(self) -> bool:
        if self._folder is None:
            folder = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(folder)
                return False
            self._folder = folder
        return True
