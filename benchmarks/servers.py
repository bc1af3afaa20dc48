"""Run servers for the benchmarks, each in a process of its own with a new database."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text

PROJECT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 20


@dataclass(frozen=True)
class Kind:
    """What to run: the application for uvicorn, the command that prepares its database, and the folder of both."""

    application: str
    prepare: tuple[str, ...]
    folder: Path = PROJECT


REFERENCE = Kind("benchmarks.reference:app", ("-m", "benchmarks.reference"))
PIXELWISE = Kind("app.main:app", ("init_db.py",))


def pixelwise_in(folder: Path) -> Kind:
    """Return the PixelWise in another folder, such as an older release; it uses this one's packages."""
    return replace(PIXELWISE, folder=folder)


@dataclass(frozen=True)
class Variant:
    """A named server with its settings; other settings have their defaults."""

    name: str
    kind: Kind
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    pid: int
    url: str
    key: str
    database_url: str

    def rows(self) -> int:
        """Count the predictions in the database, on a connection of its own."""
        url = make_url(self.database_url)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM predictions")).scalar_one())

    def settled_rows(self) -> int:
        """Count the rows after the last requests of a load have finished: when two counts agree."""
        count = self.rows()
        for _ in range(50):
            time.sleep(0.2)
            before, count = count, self.rows()
            if before == count:
                break
        return count


@contextmanager
def running(variants: list[Variant], folder: Path, postgresql: str | None) -> Iterator[list[Server]]:
    """Run all servers at once; stop them and drop their databases at the end."""
    with ExitStack() as stack:
        yield [stack.enter_context(_running(variant, folder, postgresql)) for variant in variants]


@contextmanager
def _running(variant: Variant, folder: Path, postgresql: str | None) -> Iterator[Server]:
    key = secrets.token_hex(32)
    port = _free_port()
    with _database(variant, folder, postgresql) as database_url:
        environment = os.environ | {
            "SECRET_API_KEY": key,
            "DATABASE_URL": database_url,
            "DEBUG": "false",
            "RATE_LIMIT": "1000000/second",
            "READ_LIMIT": "off",
            **variant.settings,
        }
        prepare = [sys.executable, *variant.kind.prepare]
        subprocess.run(prepare, cwd=variant.kind.folder, env=environment, stdout=subprocess.DEVNULL, check=True)
        command = [sys.executable, "-m", "uvicorn", variant.kind.application, "--port", str(port)]
        log = folder / f"{variant.name}.log"
        with log.open("wb") as errors:
            # The access log goes to standard output, as by default.
            process = subprocess.Popen(
                command, cwd=variant.kind.folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_it_answers(process, url, log)
            yield Server(variant.name, process.pid, url, environment["SECRET_API_KEY"], environment["DATABASE_URL"])
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _database(variant: Variant, folder: Path, postgresql: str | None) -> Iterator[str]:
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


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start; its log:\n{log.read_text(errors='replace')}")
