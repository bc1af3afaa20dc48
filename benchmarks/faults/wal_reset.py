"""Several writers, readers and backups on one SQLite file: can the WAL-reset bug of SQLite before 3.51.3 be met?

    python -m benchmarks.faults.wal_reset [--seconds 60] [--patience 60]

Four processes write through the service's own engine as fast as they can, one as the command line does, two read, one
backs up without a pause; `integrity_check` looks at the file every second, and every few milliseconds one process is
halted for a moment, wherever it is, as a busy machine does. Beside it stand two that write and two that move the log
whenever they like, to show that the drill can see the bug: an SQLite that has it damages that file sooner or later. The
files lie in memory where that is possible, for the more commits, the more chances. Exits with 1 when the service's own
shape damages its file. See https://sqlite.org/wal.html#the_wal_reset_bug
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
from app.database.sqlite.file_guard import SqliteFile
from benchmarks.report import table

MEMORY = Path("/dev/shm")

# Rows are only added: a page that was changed once and never again shows for ever if its change was lost.
TABLE = "CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, content BLOB)"
CHANGE = "INSERT INTO rows (content) VALUES (randomblob(40))"

Job = Callable[..., None]


def write(database: Path, role: Literal["writer", "second writer"], commits: Any) -> None:
    """Commit one small row after another; the connection is given back each time, as the service does."""
    engine = sqlite_engine(make_url(f"sqlite:///{database}"), SqliteFile(database), role)
    while True:
        connection = engine.raw_connection()
        with suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(CHANGE)
            connection.execute("COMMIT")
            commits.value += 1
        connection.close()


def write_alone(database: Path, commits: Any) -> None:
    """Commit one small row after another and do nothing else."""
    with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as connection:
        while True:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(CHANGE)
            connection.execute("COMMIT")
            commits.value += 1


def read(database: Path, reads: Any) -> None:
    """Read over and over."""
    engine = sqlite_engine(make_url(f"sqlite:///{database}"), SqliteFile(database), "reader")
    while True:
        with closing(engine.raw_connection()) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT sum(length(content)) FROM rows WHERE id % 7 = 0").fetchone()
            connection.execute("COMMIT")
        reads.value += 1


def back_up(database: Path, backups: Any) -> None:
    """Copy the file with SQLite's own backup, over and over; stop when a copy is not sound."""
    copy = database.with_name("copy.db")
    while True:
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target, pages=2048)
            if target.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
                return
        backups.value += 1


def move_the_log(database: Path, moves: Any) -> None:
    """Checkpoint whenever it likes: what nobody may do."""
    with closing(sqlite3.connect(database, timeout=5)) as connection:
        while True:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            moves.value += 1


# What is counted, by whom, in how many processes.
Shape = dict[str, tuple[Job, int, tuple[str, ...]]]

SERVICE: Shape = {
    "commits": (write, 4, ("writer",)),
    "commits of the command line": (write, 1, ("second writer",)),
    "reads": (read, 2, ()),
    "backups": (back_up, 1, ()),
}
KNOWN_TO_BE_BAD: Shape = {"commits": (write_alone, 2, ()), "moves": (move_the_log, 2, ())}
SHAPES = {"the service's": SERVICE, "known to be bad": KNOWN_TO_BE_BAD}


class Outcome(NamedTuple):
    """What a shape did, and what became of its file."""

    seconds: float
    counts: dict[str, int]
    checks: int
    found: str


@contextmanager
def working(shape: Shape, database: Path) -> Iterator[tuple[dict[str, list[Any]], list[int]]]:
    """The shape's processes at work, each with a count of its own; the counts and the process ids."""
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


def halt_one_after_another(processes: list[int], random: Random, seconds: float) -> None:
    """Halt processes at random moments, for so long that others commit meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        process = random.choice(processes)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
            time.sleep(random.uniform(0, 0.004))
            os.kill(process, signal.SIGCONT)
        time.sleep(random.uniform(0, 0.001))


def found_in(database: Path) -> str:
    """What `integrity_check` says of the file, or the error that kept it from saying anything."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return " ".join(str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0]).split())
    except sqlite3.DatabaseError as error:
        return str(error)


def tried(shape: Shape, folder: Path, seconds: float) -> Outcome:
    """Let a shape work until its file is damaged or the time is over."""
    database = folder / "drill.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(TABLE)
    began, checks, found, random = time.monotonic(), 0, "ok", Random(0)
    with working(shape, database) as (counts, processes):
        while found == "ok" and time.monotonic() - began < seconds:
            halt_one_after_another(processes, random, 1.0)
            found, checks = found_in(database), checks + 1
        took = time.monotonic() - began
    found = found if found != "ok" else found_in(database)
    return Outcome(took, {name: sum(count.value for count in theirs) for name, theirs in counts.items()}, checks, found)


def main() -> int:
    """Try both shapes and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="for the service's shape (default: 60)")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds for the bug to show itself (default: 60)")
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
            ("shape", "seconds", "what was done", "integrity checks", "found"),
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
    return int(outcomes["the service's"].found != "ok")


if __name__ == "__main__":
    sys.exit(main())
