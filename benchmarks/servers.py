"""Run servers for the benchmarks, each in a process of its own with a new database."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import NullPool, create_engine, make_url, text

from benchmarks.machine import cpu_seconds

PROJECT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 20


def _pixels(image: NDArray[np.uint8]) -> dict[str, Any]:
    return {"pixels": image.tolist()}


def _prediction(answer: dict[str, Any]) -> str:
    return str(answer["prediction"])


@dataclass(frozen=True)
class Kind:
    """What to run, how to send it a drawing and how to read its answer."""

    command: tuple[str, ...]
    """{0}, {1} and {2} are replaced by free ports; requests go to the first."""
    prepare: tuple[str, ...] = ()
    """The arguments for Python that create its database; without them it has none."""
    folder: Path = PROJECT
    settings: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/health"
    path: str = "/classify"
    body: Callable[[NDArray[np.uint8]], dict[str, Any]] = _pixels
    digit: Callable[[dict[str, Any]], str] | None = _prediction
    """Reads the digit from an answer; None for another model than this PixelWise's."""

    @property
    def stores(self) -> bool:
        """Return whether each answer has a row."""
        return bool(self.prepare)


def _uvicorn(application: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "uvicorn", application, "--port", "{0}")


REFERENCE = Kind(_uvicorn("benchmarks.reference:app"), ("-m", "benchmarks.reference"), digit=None)
PIXELWISE = Kind(_uvicorn("app.main:app"), ("init_db.py",))
CONSTANT = Kind(_uvicorn("benchmarks.constant:app"), settings={"UVICORN_LIFESPAN": "off"}, digit=None)


def pixelwise_in(folder: Path) -> Kind:
    """Return the PixelWise in another folder, such as an older release; it uses this one's packages."""
    return replace(PIXELWISE, folder=folder, digit=None)


@dataclass(frozen=True)
class Variant:
    """A named server with its settings; other settings have their defaults."""

    name: str
    kind: Kind
    settings: Mapping[str, str] = field(default_factory=dict)
    fill: Callable[[str], None] | None = None
    """Writes rows into the database at this URL before the server starts."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    kind: Kind
    pid: int
    url: str
    key: str
    database_url: str

    def rows(self) -> int:
        """Count the predictions in the database, on a connection of its own."""
        if not self.kind.stores:
            return 0
        url = make_url(self.database_url)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM predictions")).scalar_one())

    def settled_rows(self) -> int:
        """Count the rows after the last requests of a load have finished: when it neither stores nor computes."""
        count, used = self.rows(), cpu_seconds(self.pid)
        for _ in range(50 if self.kind.stores else 0):
            time.sleep(0.2)
            before = count, used
            count, used = self.rows(), cpu_seconds(self.pid)
            if before == (count, used):
                break
        return count


@contextmanager
def running(variants: list[Variant], folder: Path, postgresql: str | None) -> Iterator[list[Server]]:
    """Run all servers at once; stop them and drop their databases at the end."""
    with ExitStack() as stack:
        yield [stack.enter_context(_running(variant, folder, postgresql)) for variant in variants]


@contextmanager
def _running(variant: Variant, folder: Path, postgresql: str | None) -> Iterator[Server]:
    with database(variant, folder, postgresql) as database_url:
        environment = environment_of(variant, database_url)
        prepare(variant.kind, environment)
        if variant.fill:
            variant.fill(database_url)
        log = folder / f"{variant.name}.log"
        with log.open("wb") as errors, started(variant.kind, environment, errors) as (process, url):
            _wait_until_it_answers(process, url + variant.kind.ready, log)
            yield Server(variant.name, variant.kind, process.pid, url, environment["SECRET_API_KEY"], database_url)


@contextmanager
def database(variant: Variant, folder: Path, postgresql: str | None) -> Iterator[str]:
    """Yield the URL of a new SQLite file, or of a new PostgreSQL database that is dropped at the end."""
    if postgresql is None:
        yield f"sqlite:///{folder.resolve()}/{variant.name}.db"
        return
    name = f"pixelwise_benchmark_{secrets.token_hex(6)}"
    server = make_url(postgresql).set(drivername="postgresql+psycopg")
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        driver = "postgresql+psycopg" if variant.kind is REFERENCE else "postgresql"
        yield server.set(drivername=driver, database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def environment_of(variant: Variant, database_url: str) -> dict[str, str]:
    """Return a server's environment: a key of its own, and limits that are counted but never reached."""
    return {
        **os.environ,
        "SECRET_API_KEY": secrets.token_hex(32),
        "DATABASE_URL": database_url,
        "DEBUG": "false",
        "RATE_LIMIT": "1000000/second",
        "PREVIEW_LIMIT": "1000000/second",
        "READ_LIMIT": "off",
        **variant.kind.settings,
        **variant.settings,
    }


def prepare(kind: Kind, environment: Mapping[str, str]) -> None:
    """Create or upgrade the database."""
    if kind.stores:
        command = [sys.executable, *kind.prepare]
        subprocess.run(command, cwd=kind.folder, env=environment, stdout=subprocess.DEVNULL, check=True)


@contextmanager
def started(
    kind: Kind, environment: Mapping[str, str], errors: IO[bytes]
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a server and yield it with its URL, before it answers; stop it and its children at the end."""
    ports = _free_ports(3)
    process = subprocess.Popen(
        [argument.format(*ports) for argument in kind.command],
        cwd=kind.folder,
        env=environment,
        # The access log goes to standard output, as by default.
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
    )
    try:
        yield process, f"http://127.0.0.1:{ports[0]}"
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start; its log:\n{log.read_text(errors='replace')}")
