"""Run each long command once on a database of ten million rows: time, processor time and memory.

`python -m benchmarks.commands`; see benchmarks/README.md.
"""

import argparse
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.generated_rows import BEGIN, LASTED, fill
from benchmarks.machine import ENDED, description, resident_mib, with_descendants
from benchmarks.report import table
from benchmarks.scale import DEFAULT_POSTGRESQL
from benchmarks.servers import PIXELWISE, PROJECT, Variant, database, environment_of, prepare

HEADING = ("command", "seconds", "of processor", "MB of memory")
# Prints the heading before the first command has ended.
NO_ROWS = table(HEADING, [])
PRUNED = 0.1
"""The share of the predictions that `prune` deletes."""
POLL_S = 0.25


class Used(NamedTuple):
    """What a command and its children took."""

    seconds: float
    cpu_seconds: float
    mebibytes: float
    """The most at one time."""

    def line(self, command: str) -> list[str]:
        return [f"`{command}`", *(f"{value:.0f}" for value in self)]


def run(arguments: list[str], database_url: str, errors: Path) -> Used:
    """Run Python with these arguments on a database; exit with the command's errors if it fails."""
    environment = environment_of(Variant("commands", PIXELWISE), database_url)
    began, before, peak = time.monotonic(), _cpu_seconds_of_children(), 0.0
    with errors.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=file
        )
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(POLL_S)
    took = time.monotonic() - began
    if process.returncode:
        sys.exit(f"{' '.join(arguments)}: {errors.read_text()}")
    return Used(took, _cpu_seconds_of_children() - before, peak)


def memory(pid: int) -> float:
    """Return the resident memory of a process and its descendants in MiB; 0 if it has just ended."""
    try:
        return sum(map(resident_mib, with_descendants(pid)))
    except ENDED:
        return 0


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(folder: Path, postgresql: str, rows: int) -> Iterator[list[str]]:
    """Yield a line for each command: on SQLite, then on the PostgreSQL database that SQLite was copied to."""

    def app(command: str, *paths: str) -> list[str]:
        return run(["-m", "app", *command.split(), *paths], url, folder / "errors").line(f"python -m app {command}")

    with database(Variant("sqlite", PIXELWISE), folder, None) as url:
        prepare(PIXELWISE, environment_of(Variant("sqlite", PIXELWISE), url))
        yield _timed(f"(write {rows:,} rows)", lambda: fill(url, rows))
        yield app("backup", str(folder / "backups"))
        yield app("check --numbers")
        yield app("restore --yes", _backup(folder, "db"))
        # The disk must hold four databases of this size, not five.
        for old in folder.glob("sqlite.db.before-*"):
            old.unlink()
        yield app("replay", "models/digits.onnx", "--output", str(folder / "replay"))
        with database(Variant("postgresql", PIXELWISE), folder, postgresql) as copy:
            prepare(PIXELWISE, environment_of(Variant("postgresql", PIXELWISE), copy))
            yield app("copy-to", copy)
            yield app(_prune())
            url = copy
            yield ["PostgreSQL:", "", "", ""]
            yield app("backup", str(folder / "backups"))
            yield app("check --numbers")
            with database(Variant("restored", PIXELWISE), folder, postgresql) as url:
                yield app("restore --yes", _backup(folder, "dump"))
            url = copy
            yield app(_prune())


def _timed(what: str, work: Callable[[], None]) -> list[str]:
    began = time.monotonic()
    work()
    return [what, f"{time.monotonic() - began:.0f}", "", ""]


def _backup(folder: Path, ending: str) -> str:
    return str(next((folder / "backups").glob(f"*.{ending}")))


def _prune() -> str:
    days = (datetime.now(UTC) - BEGIN - PRUNED * LASTED).days
    return f"prune --older-than {days}d --labelled --yes"


def main() -> None:
    """Print a line of the table after each command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commands", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--postgresql", default=DEFAULT_POSTGRESQL, help="URL of a server; databases are dropped")
    parser.add_argument("--folder", type=Path, help="folder for the databases (default: a temporary folder)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(f"{description(Path(folder))}, {options.rows:,} predictions\n\n{NO_ROWS}", flush=True)
        for line in measured(Path(folder), options.postgresql, options.rows):
            print(f"| {' | '.join(line)} |", flush=True)


if __name__ == "__main__":
    main()
