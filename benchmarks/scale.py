"""Compare a service with ten thousand rows and one with ten million rows.

`python -m benchmarks.scale`; see benchmarks/README.md.
"""

import argparse
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks import http as load_test
from benchmarks.calls import CALLS
from benchmarks.digits import digits
from benchmarks.generated_rows import fill
from benchmarks.machine import description
from benchmarks.report import table
from benchmarks.scale_requests import OTHERS, RATIO, Page, pages
from benchmarks.servers import PIXELWISE, PROJECT, Server, Variant, running

DEFAULT_POSTGRESQL = "postgresql://postgres@127.0.0.1:5432/postgres"
# Less than the 5 s after which the server closes an idle connection.
KEPT_OPEN_S = 3.0
# A slow request is sent less often.
MAX_S = 4.0
LEAST_RATE = 0.95
NOTHING_TO_DO_S = 2.0


class Caller:
    """A client with one persistent connection."""

    def __init__(self, server: Server, rows: int) -> None:
        self.server, self.rows = server, rows
        self.refused: dict[str, int] = {}
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=900)
        self._used = 0.0

    def milliseconds(self, path: str) -> float:
        """Send a GET and read the whole response; note a status other than 200."""
        if time.monotonic() - self._used > KEPT_OPEN_S:
            self._connection.close()
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"X-API-Key": self.server.key})
        response = self._connection.getresponse()
        while response.read(1 << 20):
            pass
        self._used = time.monotonic()
        if response.status != http.client.OK:
            self.refused[path] = response.status
        return (time.perf_counter() - began) * 1e3


class Compared(NamedTuple):
    """Median milliseconds with few and with many rows, and the median of the ratios within the rounds."""

    name: str
    few: float
    many: float
    ratio: float
    at_most_ms: float | None
    status: int = http.client.OK

    @property
    def is_met(self) -> bool:
        within = self.ratio <= RATIO if self.at_most_ms is None else self.many <= self.at_most_ms
        return within and self.status == http.client.OK

    def line(self) -> list[str]:
        target = f"{RATIO:g} x" if self.at_most_ms is None else f"{self.at_most_ms:g} ms"
        verdict = "met" if self.is_met else "**missed**"
        if self.status != http.client.OK:
            verdict += f": {self.status}"
        return [f"`{self.name}`", f"{self.few:.1f}", f"{self.many:.1f}", f"{self.ratio:.2f}", target, verdict]


def compare(callers: Sequence[Caller], name: str, paths: Sequence[str], target: float | None, rounds: int) -> Compared:
    """Send both services the same request in turns; send it again more often if it seems too slow."""
    pairs, began = [], time.monotonic()
    for number in range(4 * rounds):
        pairs.append([caller.milliseconds(path) for caller, path in zip(callers, paths, strict=True)])
        few, many = (median(times) for times in zip(*pairs, strict=True))
        status = callers[-1].refused.get(paths[-1], http.client.OK)
        found = Compared(name, few, many, median(b / a for a, b in pairs), target, status)
        if (number + 1 >= rounds and found.is_met) or time.monotonic() - began > MAX_S:
            break
    return found


def compare_pages(callers: Sequence[Caller], rounds: int) -> Iterator[tuple[Page, Compared]]:
    for page in pages():
        paths = [page.path(caller.rows) for caller in callers]
        yield page, compare(callers, page.name, paths, None, rounds)


def summary(measured: Sequence[tuple[Page, Compared]]) -> Iterator[list[str]]:
    """Yield a line for each kind of page, with the one whose ratio is the largest."""
    kinds = dict.fromkeys(page.kind for page, _ in measured)
    for kind in kinds:
        found = [compared for page, compared in measured if page.kind == kind]
        met = sum(each.is_met for each in found)
        worst = max(found, key=lambda each: (not each.is_met, each.ratio))
        name, *figures = worst.line()
        yield [f"{kind}: {met} of {len(found)} met; worst {name}", *figures]


def classify_rate(servers: list[Server], folder: Path, options: argparse.Namespace) -> list[str]:
    """Return the line of the requests per second over eight connections."""
    arguments = argparse.Namespace(call="classify", rounds=options.rounds, seconds=options.seconds, connections=[8])
    cells = load_test.benchmark(servers, digits(), folder, arguments)
    few, many = (median(cell.per_second for cell in cells if cell.server == server.name) for server in servers)
    ratio = median(cell.ratio for cell in cells if cell.server == servers[-1].name)
    verdict = "met" if ratio >= LEAST_RATE else "**missed**"
    return [
        "`POST /classify`, 8 connections, requests/s",
        f"{few:.0f}",
        f"{many:.0f}",
        f"{ratio:.2f}",
        f"{LEAST_RATE} x",
        verdict,
    ]


class Drawer:
    """Sends drawings, one after another, and notes the slowest answer."""

    def __init__(self, server: Server) -> None:
        self.sent = self.refused = 0
        self.slowest_s = 0.0
        self._server, self._ended = server, Event()
        (self._drawing,) = CALLS["classify"].requests(server.kind, digits().test_images[:1])
        self._thread = Thread(target=self._draw)

    def __enter__(self) -> "Drawer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _draw(self) -> None:
        drawing, key = self._drawing, {"X-API-Key": self._server.key}
        connection = http.client.HTTPConnection(urlsplit(self._server.url).netloc, timeout=60)
        while not self._ended.wait(0.01):
            began = time.monotonic()
            connection.request("POST", drawing.path, drawing.body, drawing.headers | key)
            response = connection.getresponse()
            response.read()
            self.sent += 1
            self.refused += response.status != http.client.OK
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)


def migrations(server: Server) -> Iterator[list[str]]:
    """Yield a line for each migration beside the service, while drawings are sent to it."""
    environment = os.environ | {"DATABASE_URL": server.database_url}
    for arguments, note in (("upgrade head", ", nothing to do"), ("downgrade -1", ""), ("upgrade head", "")):
        with Drawer(server) as drawer:
            began = time.monotonic()
            command = [sys.executable, "-m", "alembic", *arguments.split()]
            subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True)
            took = time.monotonic() - began
        verdict = ("met" if took <= NOTHING_TO_DO_S else "**missed**") if note else ""
        target = f"{NOTHING_TO_DO_S:g} s" if note else ""
        seconds = (f"{took:.1f}", f"{drawer.slowest_s:.2f}", f"{drawer.refused} of {drawer.sent}")
        yield [f"`alembic {arguments}`{note}", *seconds, target, verdict]


def filled(rows: int) -> Callable[[str], None]:
    def write(database_url: str) -> None:
        began = time.monotonic()
        fill(database_url, rows)
        print(f"{rows:,} rows written in {time.monotonic() - began:.0f} s", flush=True)

    return write


def measure(folder: Path, postgresql: str | None, options: argparse.Namespace) -> None:
    """Fill two databases, start a service on each and print the tables."""
    print(f"\n## {'PostgreSQL' if postgresql else 'SQLite'}, {description(folder)}\n", flush=True)
    sizes = (options.small, options.rows)
    variants = [Variant(str(rows), PIXELWISE, fill=filled(rows)) for rows in sizes]
    with running(variants, folder, postgresql) as servers:
        callers = [Caller(server, rows) for server, rows in zip(servers, sizes, strict=True)]
        heading = ("request", *(f"{rows:,} rows, ms" for rows in sizes), "ratio", "target", "")
        compared = list(compare_pages(callers, options.rounds))
        others = [
            compare(callers, path, [path, path], target, options.rounds).line() for path, target in OTHERS.items()
        ]
        rate = classify_rate(servers, folder, options)
        print("\n" + table(heading, [*summary(compared), *others, rate]), flush=True)
        missed = [found.line() for _, found in compared if not found.is_met]
        if missed:
            print("\nPages that missed the target:\n\n" + table(heading, missed), flush=True)
        heading = ("beside the service", "s", "slowest drawing, s", "drawings refused", "target", "")
        print("\n" + table(heading, migrations(servers[-1])), flush=True)


def main() -> None:
    """Measure each engine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    add = parser.add_argument
    add("--rows", type=int, default=10_000_000, help="rows in the large database")
    add("--small", type=int, default=10_000, help="rows in the small database")
    add("--engine", choices=("sqlite", "postgresql", "both"), default="both")
    add("--postgresql", default=DEFAULT_POSTGRESQL, help="URL of a server; databases are dropped at the end")
    add("--rounds", type=int, default=9, help="of each request, and of the load")
    add("--seconds", type=int, default=2, help="of load in a round")
    add("--folder", type=Path, help="folder for the databases (default: a temporary folder)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for engine in ("sqlite", "postgresql"):
        if options.engine in (engine, "both"):
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                measure(Path(folder), options.postgresql if engine == "postgresql" else None, options)


if __name__ == "__main__":
    main()
