"""Migrate the schema from version 0.5 to this and the next release, and one step back and forth, under load.

`python -m benchmarks.faults.upgrade [--rows 1000000] [--engines sqlite postgresql]`; two minutes. A refused client
retries; its wait ends with the answer. On PostgreSQL no request may be refused. On SQLite none may wait longer than the
step took. On both, no request may fail otherwise, and no row may be missing.
"""

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from benchmarks.faults.databases import ENGINES, database
from benchmarks.report import table
from tests.support.callers import Callers
from tests.support.databases import migrate
from tests.support.old_databases import engine_name, execute, make_v0_5, next_release, rows
from tests.support.service_process import Client, drawing, serving

HEADING = ("engine", "step", "took s", "answered", "refused and retried", "longest wait s", "failed", "rows missing")
CLIENTS = 8
# A client may wait this long after the step's end: the service's busy timeout and some reserve.
GRACE_S = 6.0
SCORES = "[0.91, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01]"

# Sends one request; returns False if it must be retried.
Request = Callable[[], bool]


@dataclass
class Clients(Callers):
    """Threads that send one request after another, retry until it is answered, and record the wait."""

    connect: Callable[[int], Request]
    clients: int = CLIENTS
    waits: list[float] = field(default_factory=list)
    refused: int = 0
    failed: list[Exception] = field(default_factory=list)

    def _run(self, number: int) -> None:
        try:
            request = self.connect(number)
            while not self.ended:
                began = time.monotonic()
                while not request():
                    self.refused += 1
                    time.sleep(0.05)
                self.waits.append(time.monotonic() - began)
                time.sleep(0.005)
        except Exception as error:  # noqa: BLE001  # Every error is a result of the drill.
            self.failed.append(error)


def as_version_0_5(engine: sa.Engine) -> Callable[[int], Request]:
    """Return clients with the SQL of version 0.5, which inserts four columns and reads the newest rows."""
    insert = sa.text(
        "INSERT INTO predictions (prediction, confidence, model_version, created_at)"
        " VALUES ('7', 0.94, 'v1', '2026-03-01 12:30:00')"
    )
    newest = sa.text("SELECT id, prediction, confidence, model_version FROM predictions ORDER BY id DESC LIMIT 20")

    def request() -> bool:
        try:
            with engine.begin() as connection:
                connection.execute(insert)
        except sa.exc.OperationalError:
            return False
        while True:
            try:
                with engine.connect() as connection:
                    connection.execute(newest).all()
                return True
            except sa.exc.OperationalError:
                time.sleep(0.05)

    return lambda _number: request


def of_the_service(port: int) -> Callable[[int], Request]:
    """Return clients that send drawings to the service."""

    def connect(number: int) -> Request:
        client, pixels = Client(port), random.Random(number)

        def request() -> bool:
            reply = client.classify(drawing(pixels))
            if reply.status_code not in (200, 503):
                raise RuntimeError(f"{reply.status_code}: {reply.text}")
            return reply.status_code == 200

        return request

    return connect


@dataclass
class Drill:
    """The drill on one engine: the database, and a row of results for each step."""

    url: str
    lines: list[list[str]] = field(default_factory=list)
    kept: bool = True

    @contextmanager
    def step(self, name: str, *connects: Callable[[int], Request]) -> Iterator[None]:
        """Time the block under the load of these clients, and add a row of results."""
        before = self._count()
        with ExitStack() as running:
            groups = [running.enter_context(Clients(connect)) for connect in connects]
            time.sleep(1)
            began = time.monotonic()
            yield
            took = time.monotonic() - began
            time.sleep(1)
        waits = [wait for group in groups for wait in group.waits]
        refused = sum(group.refused for group in groups)
        failed = [error for group in groups for error in group.failed]
        missing = before + len(waits) - self._count()
        figures = [f"{took:.1f}", str(len(waits)), str(refused), f"{max(waits):.2f}", str(len(failed)), str(missing)]
        self.lines.append([engine_name(self.url), name, *figures])
        print(self.lines[-1], *failed[:1], file=sys.stderr, flush=True)
        waited = refused == 0 if engine_name(self.url) == "postgresql" else max(waits) < took + GRACE_S
        self.kept = self.kept and waited and not failed and missing == 0

    def _count(self) -> int:
        return int(rows(self.url, "SELECT count(*) FROM predictions")[0][0])


def make_past(url: str, count: int) -> None:
    """Create a database of version 0.5 with `count` rows."""
    if engine_name(url) == "postgresql":
        execute(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        numbers = f"generate_series(1, {count}) AS numbers"
    else:
        numbers = f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)"
    make_v0_5(url)
    execute(
        url,
        "INSERT INTO predictions (prediction, confidence, model_version, created_at)"
        f" SELECT '7', 0.94, 'v1', '2026-03-01 12:30:00' FROM {numbers}",
    )


def give_drawings(url: str) -> None:
    """Add a drawing to each row, as the release after version 0.5 did; on SQLite, switch to its journal mode."""
    pixels = "decode(repeat('00ff', 392), 'hex')"
    if engine_name(url) == "sqlite":
        pixels = "randomblob(784)"
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        engine.dispose()
    execute(
        url, f"INSERT INTO drawings (prediction_id, pixels, scores) SELECT id, {pixels}, '{SCORES}' FROM predictions"
    )


def alembic(project: Path, url: str, *arguments: str) -> None:
    """Run the migrations of the release in `project`."""
    command = [sys.executable, "-m", "alembic", *arguments]
    subprocess.run(command, cwd=project, env={"PATH": "/usr/bin:/bin", "DATABASE_URL": url}, check=True, timeout=600)


def client_engine(url: str) -> sa.Engine:
    """Create an engine with the service's timeouts."""
    if engine_name(url) == "sqlite":
        return sa.create_engine(url, connect_args={"timeout": 5}, pool_size=CLIENTS)
    options = {"options": "-c lock_timeout=2000 -c statement_timeout=5000"}
    return sa.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), connect_args=options, pool_size=CLIENTS
    )


def run(engine: str, count: int) -> Drill:
    """Run the drill on one engine."""
    with database(engine, "upgrade") as (migrated, folder):
        url = f"sqlite:///{folder / 'past.db'}" if engine == "sqlite" else migrated
        drill = Drill(url)
        make_past(url, count)
        with_sql = client_engine(url)
        with drill.step("v0.5 to 0003", as_version_0_5(with_sql)):
            migrate(url, "upgrade", "0003")
        give_drawings(url)
        with drill.step("0003 to this release", as_version_0_5(with_sql)):
            migrate(url)
        with_sql.dispose()
        project = next_release(folder)
        with serving(url, folder) as old:
            with drill.step("to the next release", of_the_service(old.port)):
                alembic(project, url, "upgrade", "head")
            with drill.step("back a step", of_the_service(old.port)):
                alembic(project, url, "downgrade", "-1")
            with drill.step("to the next release again", of_the_service(old.port)):
                alembic(project, url, "upgrade", "head")
            with serving(url, folder, PYTHONPATH=str(project)) as new:
                with drill.step("both releases", of_the_service(old.port), of_the_service(new.port)):
                    time.sleep(3)
                old.stop()
                with drill.step("the next release alone", of_the_service(new.port)):
                    time.sleep(3)
    return drill


def main() -> int:
    """Run the drill."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.upgrade", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    arguments = parser.parse_args()
    drills = [run(engine, arguments.rows) for engine in arguments.engines]
    print(table(HEADING, [line for drill in drills for line in drill.lines]))
    return 0 if all(drill.kept for drill in drills) else 1


if __name__ == "__main__":
    sys.exit(main())
