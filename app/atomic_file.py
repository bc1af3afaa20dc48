import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, BinaryIO

UNFINISHED = ".unfinished"


def create_private(path: Path) -> BinaryIO:
    """Create a file private to its owner; raise FileExistsError also for a link."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR, mode=0o600), "w+b")


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a private file that takes the path's name once it is complete and on disk.

    An error leaves nothing; a killed process leaves a file with the suffix UNFINISHED.
    """
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED, delete=False) as file:
        try:
            yield file.file
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
