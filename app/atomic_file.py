import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    with atomic_files(path) as (file,):
        yield file


@contextmanager
def atomic_files(*paths: Path) -> Iterator[list[IO[bytes]]]:
    """Yield several; none takes its name before all are on disk."""
    with ExitStack() as stack:
        files = []
        for path in paths:
            files.append(
                stack.enter_context(
                    NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED, delete=False)
                )
            )
            stack.callback(Path(files[-1].name).unlink, missing_ok=True)
        yield [file.file for file in files]
        for file in files:
            file.flush()
            os.fsync(file.fileno())
        for file, path in zip(files, paths, strict=True):
            Path(file.name).replace(path)
