"""The folder in which the workers of one server share their metrics."""

import atexit
import fcntl
import hashlib
import multiprocessing
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from stat import S_IRWXU
from typing import Final

from app.config import runtime_folder, set_metrics_folder

_PREFIX: Final = "pixelwise-metrics-"

_locks: Final[list[int]] = []


def _folder() -> Path | None:
    worker = multiprocessing.current_process()
    if worker.name == "MainProcess":
        return None
    # The key is random bytes of the server, which its workers inherit.
    secret = bytes(worker.authkey) + str(os.getppid()).encode()
    return (runtime_folder() or _memory()) / f"{_PREFIX}{hashlib.sha256(secret).hexdigest()[:32]}"


def _memory() -> Path:
    # Writing to a mapped file on a full disk kills the process.
    memory = Path("/dev/shm")  # noqa: S108  # nosec B108
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


FOLDER: Final = _folder()
"""The same for all workers of a server; None for a server of one process."""


def _join(folder: Path) -> None:
    """Create the folder, and lock it until this worker ends."""
    for other in folder.parent.glob(f"{_PREFIX}*"):
        _delete_unused(other)
    while not _locks:
        folder.mkdir(mode=S_IRWXU, exist_ok=True)
        # Another worker may be deleting it.
        with suppress(FileNotFoundError):
            lock = _open(folder)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if folder.exists():
                _locks.append(lock)
            else:
                os.close(lock)


def leave() -> None:
    """Delete the folder, unless another worker uses it."""
    while FOLDER is not None and _locks:
        os.close(_locks.pop())
        _delete_unused(FOLDER)


def _delete_unused(folder: Path) -> None:
    # It may belong to another user.
    with suppress(OSError):
        lock = _open(folder)
        try:
            # Fails while a worker lives.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(lock)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


set_metrics_folder(FOLDER)
if FOLDER is not None:
    _join(FOLDER)
    # For a worker that does not start.
    atexit.register(leave)
