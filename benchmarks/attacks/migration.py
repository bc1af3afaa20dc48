"""How long does an upgrade hold SQLite's write lock on a large database?

`python -m benchmarks.attacks.migration [--rows 1000000]`; a few minutes, most of them to fill the database in TMPDIR.
Another process tries to begin a write as often as it can, and adds up the times in which it could not. An upgrade with
nothing to do may take no lock at all.
"""

import argparse
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing import Event, Process, Value
from pathlib import Path
from typing import Any

from app.config import PROJECT_FOLDER
from benchmarks.faults.databases import database
from benchmarks.generated_rows import fill
from benchmarks.report import table
from tests.support.old_databases import next_release, sqlite_path

HEADING = ("step", "took s", "write lock held s")
# A lock of the prober itself, or none.
TOLERATED_S = 0.005


def probe(path: Path, end: Any, blocked: Any) -> None:
    """Try to begin a write until the end; add up the seconds from each first refusal to the next success."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        refused_at = None
        while not end.is_set():
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                refused_at = refused_at or time.monotonic()
            else:
                if refused_at is not None:
                    blocked.value += time.monotonic() - refused_at
                    refused_at = None
            time.sleep(0.0005)


@contextmanager
def probed(path: Path) -> Iterator[dict[str, float]]:
    """Measure the block: `took` and `blocked`, in seconds."""
    end, blocked, found = Event(), Value("d", 0.0), dict[str, float]()
    prober = Process(target=probe, args=(path, end, blocked))
    prober.start()
    time.sleep(0.5)
    began = time.monotonic()
    try:
        yield found
    finally:
        found["took"] = time.monotonic() - began
        end.set()
        prober.join()
        found["blocked"] = blocked.value


def run(project: Path, url: str, *command: str) -> None:
    environment = {"PATH": "/usr/bin:/bin", "DATABASE_URL": url}
    subprocess.run([sys.executable, *command], cwd=project, env=environment, check=True, capture_output=True)


def measure(url: str, folder: Path) -> dict[str, dict[str, float]]:
    """Return the figures of each step."""
    upgrade = ("-m", "alembic", "upgrade", "head")
    steps: list[tuple[str, Path, tuple[str, ...]]] = [
        ("alembic upgrade head, nothing to do", PROJECT_FOLDER, upgrade),
        ("python init_db.py, nothing to do", PROJECT_FOLDER, ("init_db.py",)),
        ("python -m app upgrade, nothing to do", PROJECT_FOLDER, ("-m", "app", "upgrade")),
        ("alembic upgrade head, a column and its index on predictions", next_release(folder), upgrade),
    ]
    figures: dict[str, dict[str, float]] = {}
    for name, project, command in steps:
        with probed(sqlite_path(url)) as found:
            run(project, url, *command)
        figures[name] = found
    return figures


def main() -> int:
    """Fill a database and upgrade it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks.migration", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments: Any = parser.parse_args()
    with database("sqlite", "migration") as (url, folder):
        fill(url, arguments.rows)
        with closing(sqlite3.connect(sqlite_path(url))) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        figures = measure(url, folder)
    print(f"{arguments.rows:,} predictions with drawings\n")
    print(table(HEADING, [[name, f"{one['took']:.2f}", f"{one['blocked']:.3f}"] for name, one in figures.items()]))
    return max(one["blocked"] for name, one in figures.items() if "nothing" in name) > TOLERATED_S


if __name__ == "__main__":
    sys.exit(main())
