"""The attacked service, and an honest client that measures how long it waits."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Self

import psutil

from benchmarks.faults.databases import database
from tests.support.service_process import Client, Service, drawing, serving

ANSWER_S = 1.0
"""How long a drawing may wait for its answer during an attack."""
PAUSE_S = 0.1


@contextmanager
def attacked(engine: str = "sqlite", uvicorn: Sequence[str] = ("-m", "uvicorn"), **settings: str) -> Iterator[Service]:
    """A service on a new database, which has stored one drawing."""
    with database(engine, "attack") as (url, folder), serving(url, folder, uvicorn=uvicorn, **settings) as service:
        with service.client() as client:
            assert client.classify(drawing(Random(0))).status_code == 200
        yield service


def memory_mib(service: Service) -> float:
    """The memory of the service and its workers."""
    process = psutil.Process(service.process.pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 1024**2


@dataclass
class Honest:
    """Sends one drawing after another, each on a new connection, until the attack is over."""

    port: int
    seconds: list[float] = field(default_factory=list, init=False)
    """How long each waited for its answer."""
    refused: list[str] = field(default_factory=list, init=False)
    """Answers that were not 200, and errors."""

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._random = Random(1)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def slowest_s(self) -> float:
        return max(self.seconds)

    def is_served(self) -> bool:
        return not self.refused and self.slowest_s <= ANSWER_S

    def send(self) -> int:
        """Send a request; return the status of its answer."""
        with Client(self.port) as client:
            return client.classify(drawing(self._random)).status_code

    def _run(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                status = self.send()
            except OSError as error:
                self.refused.append(repr(error))
            else:
                if status != 200:
                    self.refused.append(str(status))
            self.seconds.append(time.monotonic() - began)
            self._ended.wait(PAUSE_S)
