"""Compare designs and journal modes for durable writes with many clients.

`python -m benchmarks.writes`; see benchmarks/README.md.
"""

import argparse
import asyncio
import itertools
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.machine import cpu_seconds, description, sync_milliseconds
from benchmarks.report import middle, table, with_range
from benchmarks.write_designs import JOURNALS, WAYS, Design, Journal, Store, Way

READERS = 4
# Pause between two reads, so that the readers are a steady part of the load.
READER_REST_SECONDS = 0.01
HEADING = (
    "clients", "session in", "journal", "drawings/s", "ratio", "p50 ms", "p99 ms", "max ms",
    "CPU ms/drawing", "reads/s", "read p99 ms", "read max ms", "errors",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """The measurement of one way, one journal and one number of clients in one round."""

    round: int
    clients: int
    way: str
    journal: str
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms: float
    reads_per_second: float
    read_p99_ms: float
    read_max_ms: float
    errors: str
    sync_ms: float


class Clients:
    """Coroutines that repeat one piece of work until a deadline and record its duration."""

    def __init__(self, work: Callable[[], Awaitable[None]], end: float, rest_seconds: float = 0.0) -> None:
        self._work = work
        self._end = end
        self._rest_seconds = rest_seconds
        self.milliseconds: list[float] = []
        self.errors: Counter[str] = Counter()

    async def run(self) -> None:
        """Run one client."""
        while (began := time.perf_counter()) < self._end:
            try:
                await self._work()
                self.milliseconds.append((time.perf_counter() - began) * 1e3)
            except SQLAlchemyError as error:
                self.errors[type(error).__name__] += 1
            if self._rest_seconds:
                await asyncio.sleep(self._rest_seconds)

    def quantile(self, share: float) -> float:
        """Return this quantile of the durations, in milliseconds."""
        ordered = sorted(self.milliseconds) or [float("nan")]
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


async def under_load(design: Design, clients: int, seconds: float) -> tuple[Clients, Clients, float]:
    """Run writers and readers concurrently; return both, and the seconds until the last one finished."""
    pixels = os.urandom(784)
    began = time.perf_counter()
    writers = Clients(lambda: design.write(pixels), began + seconds)
    readers = Clients(design.read, began + seconds, READER_REST_SECONDS)
    lives = [writers.run() for _ in range(clients)] + [readers.run() for _ in range(READERS)]
    await asyncio.gather(*lives)
    return writers, readers, time.perf_counter() - began


def measured(folder: Path, way: Way, journal: Journal, clients: int, seconds: float, number: int) -> Cell:
    """Measure one cell on a new database, and check that it holds every acknowledged drawing."""
    path = folder / "writes.db"
    sync_ms = sync_milliseconds(folder)
    store = Store(path, journal, way.write_connections)
    store.write([bytes(784)] * 100)
    design = way.design(store)
    used = cpu_seconds(os.getpid())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:  # uvicorn's event loop.
        writers, readers, lasted = loop.run(under_load(design, clients, seconds))
    used = cpu_seconds(os.getpid()) - used
    design.close()
    errors = writers.errors + readers.errors
    acknowledged = len(writers.milliseconds)
    if store.rows() != acknowledged + 100:
        errors["difference between rows and acknowledged drawings"] = abs(store.rows() - acknowledged - 100)
    store.close()
    for file in folder.glob("writes.db*"):
        file.unlink()
    return Cell(
        round=number,
        clients=clients,
        way=way.name,
        journal=str(journal),
        per_second=acknowledged / lasted,
        p50_ms=writers.quantile(0.5),
        p99_ms=writers.quantile(0.99),
        max_ms=writers.quantile(1.0),
        cpu_ms=used * 1e3 / max(acknowledged, 1),
        reads_per_second=len(readers.milliseconds) / lasted,
        read_p99_ms=readers.quantile(0.99),
        read_max_ms=readers.quantile(1.0),
        errors=", ".join(f"{count} {name}" for name, count in sorted(errors.items())),
        sync_ms=sync_ms,
    )


def row(cells: Sequence[Cell], bases: Sequence[Cell]) -> list[str]:
    """Return the row of one way and journal, with ratios to the cells of the first row in the same rounds."""
    ratios = [cell.per_second / base.per_second for cell, base in zip(cells, bases, strict=True)]
    return [
        str(cells[0].clients),
        cells[0].way,
        cells[0].journal,
        with_range([cell.per_second for cell in cells]),
        middle(ratios, 2),
        middle([cell.p50_ms for cell in cells], 1),
        middle([cell.p99_ms for cell in cells], 1),
        f"{max(cell.max_ms for cell in cells):.0f}",
        middle([cell.cpu_ms for cell in cells], 3),
        middle([cell.reads_per_second for cell in cells]),
        middle([cell.read_p99_ms for cell in cells], 1),
        f"{max(cell.read_max_ms for cell in cells):.0f}",
        "; ".join(cell.errors for cell in cells if cell.errors) or "0",
    ]


def report(cells: Sequence[Cell]) -> str:
    """Return the table of all cells: a row for each number of clients, way and journal."""
    groups: dict[tuple[int, str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.clients, cell.way, cell.journal), []).append(cell)
    firsts: dict[int, list[Cell]] = {}
    for (clients, _, _), group in groups.items():
        firsts.setdefault(clients, group)
    lines = [row(group, firsts[group[0].clients]) for group in groups.values()]
    return f"{table(HEADING, lines)}\n\nnoise: a sync took {with_range([cell.sync_ms for cell in cells], 2)} ms"


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.writes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load in each cell")
    parser.add_argument("--clients", type=int, nargs="+", default=[200, 32])
    parser.add_argument("--journals", nargs="+", default=[str(journal) for journal in JOURNALS])
    parser.add_argument("--ways", nargs="+", default=[way.name for way in WAYS])
    parser.add_argument("--folder", type=Path, help="folder for the databases (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to this file")
    return parser.parse_args()


def main() -> None:
    """Measure every way with every journal, round by round, and print the table."""
    arguments = read_arguments()
    ways = [way for way in WAYS if way.name in arguments.ways]
    journals = [journal for journal in JOURNALS if str(journal) in arguments.journals]
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        print(f"{READERS} readers in addition to the clients, {arguments.seconds} s each; {description(folder)}")
        for number in range(arguments.rounds):
            for clients, way, journal in itertools.product(arguments.clients, ways, journals):
                cells.append(measured(folder, way, journal, clients, arguments.seconds, number))
            print(f"round {number + 1} of {arguments.rounds} done", flush=True)
    print(f"\n{report(cells)}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=1) + "\n")


if __name__ == "__main__":
    main()
