"""Callers at work until a block ends, each in a thread of its own."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Callers(ABC):
    """Threads, numbered from 0, that are started with the block and joined at its end."""

    clients: int

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def ended(self) -> bool:
        """Whether the block has ended; a caller then finishes its current call."""
        return self._ended.is_set()

    @abstractmethod
    def _run(self, number: int) -> None:
        """Call again and again until `ended`."""
