"""Limit how many batches and images are in memory, and how many are processed in parallel."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.http.problems import Busy

# Decoding one photograph takes up to 400 MB.
MAX_IN_PARALLEL: Final = 2

# Each takes up to 8 MiB.
MAX_ADMITTED: Final = 32


class LargeBodies:
    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(MAX_IN_PARALLEL)
        self._admitted = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Count a body in memory; raise Busy."""
        if self._admitted >= MAX_ADMITTED:
            raise Busy(MAX_ADMITTED)
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    def slot(self) -> asyncio.Semaphore:
        return self._slots
