"""Limits for requests with large bodies: batches and images."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.http.problems import Busy

# Two leave the rest of the process responsive; decoding one photograph takes up to 400 MB.
AT_ONCE: Final = 2

# Each body in memory has up to 8 MiB.
MAX_ADMITTED: Final = 32


class LargeBodies:
    """Limits how many large bodies are in memory, and how many of them are worked on at once."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._admitted = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Admit a request for as long as it holds its body; raise Busy when too many do."""
        if self._admitted >= MAX_ADMITTED:
            raise Busy(MAX_ADMITTED)
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    def slot(self) -> asyncio.Semaphore:
        """Return the semaphore to hold while a body is decoded or classified."""
        return self._slots
