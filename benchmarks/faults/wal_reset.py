"""Check that the service avoids the WAL-reset bug of SQLite before 3.51.3.

    python -m benchmarks.faults.wal_reset [--seconds 60] [--patience 60]

On one file, four processes write through the service's engine as fast as possible, one writes as the command line does,
two read, and one makes backups. `integrity_check` runs every second, and every few milliseconds a random process is
suspended for a moment, as on a busy machine. For comparison, a second file has two writers and two processes that
checkpoint at any time: an SQLite with the bug damages this file sooner or later, which shows that the drill can find
the bug. The files are in memory if possible, because more commits mean more chances. Exits with 1 if the service's
pattern damages its file. See https://sqlite.org/wal.html#the_wal_reset_bug
"""

import argparse
import multiprocessing
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from sqlalchemy import make_url

from app.database.sqlite.engine import sqlite_engine
from app.database.sqlite.file_guard import FileGuard
from benchmarks.report import table

MEMORY = Path("/dev/shm")

# Rows are only added, so that a lost change to a page is never overwritten.
TABLE = "CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, content BLOB)"
CHANGE = "INSERT INTO rows (content) VALUES (randomblob(40))"

Job = Callable[..., None]


def write(database: Path, role: Literal["writer", "second writer"], commits: Any) -> None:
    """Commit one small row after another; return the connection to the pool each time, as the service does."""
    engine = sqlite_engine(make_url(f"sqlite:///{database}"), FileGuard(database), role)
    while True:
        connection = engine.raw_connection()
        with suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(CHANGE)
            connection.execute("COMMIT")
            commits.value += 1
        connection.close()


def write_alone(database: Path, commits: Any) -> None:
    """Commit one small row after another, without the service's engine."""
    with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as connection:
        while True:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(CHANGE)
            connection.execute("COMMIT")
            commits.value += 1


def read(database: Path, reads: Any) -> None:
    """Read repeatedly."""
    engine = sqlite_engine(make_url(f"sqlite:///{database}"), FileGuard(database), "reader")
    while True:
        with closing(engine.raw_connection()) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT sum(length(content)) FROM rows WHERE id % 7 = 0").fetchone()
            connection.execute("COMMIT")
        reads.value += 1


def back_up(database: Path, backups: Any) -> None:
    """Copy the file repeatedly with SQLite's backup API; stop if a copy is damaged."""
    copy = database.with_name("copy.db")
    while True:
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target, pages=2048)
            if target.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
                return
        backups.value += 1


def checkpoint(database: Path, checkpoints: Any) -> None:
    """Checkpoint repeatedly without the service's lock."""
    with closing(sqlite3.connect(database, timeout=5)) as connection:
        while True:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            checkpoints.value += 1


# By the name of what is counted: the job, the number of processes, and further arguments.
Shape = dict[str, tuple[Job, int, tuple[str, ...]]]

SERVICE: Shape = {
    "commits": (write, 4, ("writer",)),
    "commits of the command line": (write, 1, ("second writer",)),
    "reads": (read, 2, ()),
    "backups": (back_up, 1, ()),
}
UNSAFE: Shape = {"commits": (write_alone, 2, ()), "checkpoints": (checkpoint, 2, ())}
SHAPES = {"service": SERVICE, "unsafe": UNSAFE}


class Outcome(NamedTuple):
    """The work that a shape did, and the state of its file."""

    seconds: float
    counts: dict[str, int]
    checks: int
    found: str


@contextmanager
def working(shape: Shape, database: Path) -> Iterator[tuple[dict[str, list[Any]], list[int]]]:
    """Run the shape's processes; yield their counts and process ids."""
    context = multiprocessing.get_context("spawn")
    counts: dict[str, list[Any]] = {}
    processes = []
    for name, (job, how_many, arguments) in shape.items():
        counts[name] = [context.Value("q", 0, lock=False) for _ in range(how_many)]
        processes += [context.Process(target=job, args=(database, *arguments, count)) for count in counts[name]]
    for process in processes:
        process.start()
    try:
        yield counts, [process.pid for process in processes if process.pid]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def suspend_at_random(processes: list[int], random: Random, seconds: float) -> None:
    """Suspend processes at random moments, long enough for others to commit."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        process = random.choice(processes)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
            time.sleep(random.uniform(0, 0.004))
            os.kill(process, signal.SIGCONT)
        time.sleep(random.uniform(0, 0.001))


def found_in(database: Path) -> str:
    """Return the result of `integrity_check`, or the error that prevented it."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return " ".join(str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0]).split())
    except sqlite3.DatabaseError as error:
        return str(error)


def tried(shape: Shape, folder: Path, seconds: float) -> Outcome:
    """Run a shape until its file is damaged or the time is up."""
    database = folder / "drill.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(TABLE)
    began, checks, found, random = time.monotonic(), 0, "ok", Random(0)
    with working(shape, database) as (counts, processes):
        while found == "ok" and time.monotonic() - began < seconds:
            suspend_at_random(processes, random, 1.0)
            found, checks = found_in(database), checks + 1
        took = time.monotonic() - began
    found = found if found != "ok" else found_in(database)
    return Outcome(took, {name: sum(count.value for count in theirs) for name, theirs in counts.items()}, checks, found)


def main() -> int:
    """Run both shapes and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="duration for the service's shape (default: 60)")
    parser.add_argument(
        "--patience", type=float, default=60.0, help="seconds to wait for the bug in the unsafe shape (default: 60)"
    )
    given = parser.parse_args()
    limits = dict(zip(SHAPES, (given.seconds, given.patience), strict=True))
    outcomes = {}
    with ExitStack() as stack:
        for name, shape in SHAPES.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None))
            outcomes[name] = tried(shape, Path(folder), limits[name])
    print(f"SQLite {sqlite3.sqlite_version}\n")
    print(
        table(
            ("shape", "seconds", "work", "integrity checks", "result"),
            [
                (
                    name,
                    f"{outcome.seconds:.0f}",
                    ", ".join(f"{count:,} {what}" for what, count in outcome.counts.items()),
                    str(outcome.checks),
                    outcome.found,
                )
                for name, outcome in outcomes.items()
            ],
        )
    )
    return int(outcomes["service"].found != "ok")


if __name__ == "__main__":
    sys.exit(main())
