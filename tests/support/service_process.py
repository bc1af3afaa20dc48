"""The service as production runs it, uvicorn in a process of its own, and clients that time out."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Self

import psutil

from tests.support.callers import Callers
from tests.support.ports import free_port
from tests.support.programs import Program, start_program
from tests.support.project_copy import PROJECT, environment
from tests.support.service import KEY, rows
from tests.support.waiting import PATIENCE_S, wait_until


class Answer(NamedTuple):
    """What is known of one drawing: what the service acknowledged, or what the database holds."""

    prediction: str
    confidence: float
    scores: tuple[float, ...]
    pixels: bytes


class Reply(NamedTuple):
    """A response of the service, read to its end."""

    status_code: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


def drawing(random: Random) -> bytes:
    """784 random pixels: no two drawings are the same, so a row cannot be mistaken for another's."""
    return random.randbytes(784)


def classify_body(pixels: bytes) -> bytes:
    """The drawing as the body of `POST /classify`."""
    return json.dumps({"pixels": [list(pixels[row : row + 28]) for row in range(0, 784, 28)]}).encode()


class Client:
    """One connection, kept alive between requests; for one thread."""

    def __init__(self, port: int) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def get(self, path: str) -> Reply:
        self.connection.request("GET", path, headers={"X-API-Key": KEY})
        return self.receive()

    def classify(self, pixels: bytes) -> Reply:
        self.send(pixels)
        return self.receive()

    def send(self, pixels: bytes) -> None:
        """Send a drawing; `receive` waits for the answer."""
        self.connection.request("POST", "/classify", classify_body(pixels), {"X-API-Key": KEY})

    def receive(self) -> Reply:
        response = self.connection.getresponse()
        return Reply(response.status, response.headers, response.read().decode())


@dataclass
class Service:
    """A running service."""

    process: Program
    port: int
    log: Path
    workers: int

    def client(self) -> Client:
        return Client(self.port)

    def worker_processes(self) -> list[psutil.Process]:
        """The processes that answer, where there are several."""
        return [child for child in psutil.Process(self.process.pid).children() if _is_worker(child)]

    def kill(self) -> None:
        """End it, and its workers if it has any, with the signal that no process can catch."""
        workers = self.worker_processes()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        # A worker that has not exited still holds the port, which the next service may need.
        wait_until(lambda: all(map(_has_ended, workers)), "the workers have ended")

    def stop(self) -> None:
        """End it as systemd does."""
        self.process.terminate()
        self.wait_for_end()

    def wait_for_end(self) -> None:
        """Wait until it has ended by itself, cleanly."""
        # Once it has finished, uvicorn lets the signal end it after all; systemd calls this a clean exit, too.
        # The parent of workers ends by itself.
        assert self.process.wait(PATIENCE_S) == (-signal.SIGTERM if self.workers == 1 else 0)
        assert self.log.read_text().count("Application shutdown complete.") >= self.workers


@contextmanager
def serving(
    database_url: str,
    folder: Path,
    *,
    tracer: Sequence[str] = (),
    uvicorn: Sequence[str] = ("-m", "uvicorn"),
    graceful_s: int = 18,
    port: int | None = None,
    workers: int = 1,
    fork: bool = True,
    **settings: str,
) -> Iterator[Service]:
    """A service on this database, started and killed here unless it has ended by then. Its log lies in the folder.

    By default the service has a key, no rate limit and a free port, and may be forked.
    """
    port = port or free_port()
    log = folder / f"service-{port}.log"
    with log.open("wb") as output:
        process = start_program(
            [
                *(*tracer, sys.executable, *uvicorn, "app.main:app"),
                *("--host", "127.0.0.1", "--port", str(port), "--timeout-graceful-shutdown", str(graceful_s)),
            ],
            # In a folder without .env: a developer's own settings are not what is tested.
            cwd=folder,
            env=environment(**_settings(database_url, workers) | settings),
            stdout=output.fileno(),
            stderr=output.fileno(),
            fork=fork,
        )
    service = Service(process, port, log, workers)
    try:
        wait_until(lambda: _has_started(service), "the service has started")
        yield service
    finally:
        if process.poll() is None:
            service.kill()


def _settings(database_url: str, workers: int) -> dict[str, str]:
    return {
        "PYTHONPATH": str(PROJECT),
        "SECRET_API_KEY": KEY,
        "DATABASE_URL": database_url,
        "RATE_LIMIT": "off",
        "READ_LIMIT": "off",
        "WEB_CONCURRENCY": str(workers),
    }


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "multiprocessing.resource_tracker" not in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _has_started(service: Service) -> bool:
    log = service.log.read_text()
    assert service.process.poll() is None, log
    return "Uvicorn running on" in log and log.count("Application startup complete.") >= service.workers


@dataclass
class Load(Callers):
    """Clients that send one drawing after another, each until its connection breaks or the load is ended."""

    port: int
    clients: int
    seed: int = 0
    pause_s: float = 0
    """How long each client waits between two drawings."""
    answers: list[tuple[int, Answer]] = field(default_factory=list)
    refused: list[Reply] = field(default_factory=list)
    not_stored: set[bytes] = field(default_factory=set)
    """The pixels of every drawing that was refused with "nothing was stored"."""
    broken: list[Exception] = field(default_factory=list)

    @property
    def acknowledged(self) -> dict[int, Answer]:
        """What was answered with 200, by id."""
        answers = list(self.answers)
        acknowledged = dict(answers)
        assert len(acknowledged) == len(answers), "an id was given twice"
        return acknowledged

    def wait_for(self, count: int) -> None:
        """Wait until this many more drawings are acknowledged."""
        target = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= target, f"{target} drawings are acknowledged")

    def wait_for_breaks(self) -> None:
        """Wait until every client has lost its connection."""
        wait_until(lambda: len(self.broken) == self.clients, "every client has lost its connection")

    def _run(self, number: int) -> None:
        random = Random(f"{self.seed} {number}")
        with Client(self.port) as client:
            while not self.ended:
                pixels = drawing(random)
                try:
                    reply = client.classify(pixels)
                except (OSError, HTTPException) as error:
                    self.broken.append(error)
                    return
                if reply.status_code == 200:
                    said = reply.json()
                    answer = Answer(said["prediction"], said["confidence"], tuple(said["scores"].values()), pixels)
                    self.answers.append((said["id"], answer))
                else:
                    self.refused.append(reply)
                    if "nothing was stored" in reply.text:
                        self.not_stored.add(pixels)
                    # Otherwise refused clients would send faster than answered ones.
                    time.sleep(0.01)
                time.sleep(self.pause_s)


def sent_to(services: list[Service], count: int, callers: int) -> list[int]:
    """Send `count` drawings to the services in turn, `callers` in parallel; return the sorted statuses."""

    def send(number: int) -> int:
        with services[number % len(services)].client() as client:
            return client.classify(drawing(Random(number))).status_code

    with ThreadPoolExecutor(callers) as threads:
        return sorted(threads.map(send, range(count)))


def stored_answers(database_url: str) -> dict[int, Answer]:
    """Every prediction that has a drawing, by id, read directly from the database."""
    query = (
        "SELECT id, prediction, confidence, CAST(scores AS VARCHAR) AS scores, pixels"
        " FROM predictions JOIN v_drawings ON prediction_id = id"
    )
    return {
        row["id"]: Answer(row["prediction"], row["confidence"], tuple(json.loads(row["scores"])), bytes(row["pixels"]))
        for row in rows(database_url, query)
    }


def missing(acknowledged: Mapping[int, Answer], database_url: str) -> list[int]:
    """The ids of what was acknowledged and is not in the database as it was acknowledged."""
    found = stored_answers(database_url)
    return [key for key, answer in acknowledged.items() if found.get(key) != answer]
