"""Compare PixelWise with the reference or an older PixelWise over HTTP: requests per second, latencies, stored rows.

`python -m benchmarks.http --rounds 5 --seconds 5`; see benchmarks/README.md.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.digits import digits
from benchmarks.load import Load, load, write_bodies
from benchmarks.machine import cpu_seconds, description, processor_time, resident_mib, sync_milliseconds
from benchmarks.report import middle, table, with_range
from benchmarks.servers import PIXELWISE, REFERENCE, Server, Variant, pixelwise_in, running

DRAWINGS = 64
HEADING = (
    "connections", "server", "requests/s", "ratio to the first", "p50 ms", "p99 ms", "worst p99 ms",
    "CPU ms/request", "not 2xx", "socket errors", "rows = 2xx", "RSS MiB",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """The measurement of one server under one load in one round."""

    round: int
    connections: int
    server: str
    requests_per_second: float
    ratio: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_request: float
    answered: int
    not_2xx: int
    socket_errors: int
    new_rows: int
    resident_mib: float
    others_cores: float
    stolen_cores: float
    sync_ms: float

    def rows_kept(self) -> bool:
        """Return whether each 2xx has its row; requests cut off at the end of the load may have one, too."""
        return self.answered <= self.new_rows <= self.answered + self.connections


def measured(server: Server, bodies: Path, connections: int, seconds: int, number: int) -> Cell:
    """Load one server and measure it; `compared` sets the ratio."""
    rows, used, machine, began = server.rows(), cpu_seconds(server.pid), processor_time(), time.monotonic()
    seen: Load = load(server.url, server.key, bodies, connections, seconds)
    lasted = time.monotonic() - began
    machine_after, used = processor_time(), cpu_seconds(server.pid) - used
    others = machine_after.busy - machine.busy - used - seen.loader_cpu_seconds
    return Cell(
        round=number,
        connections=connections,
        server=server.name,
        requests_per_second=seen.requests / seen.seconds,
        ratio=1.0,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        cpu_ms_per_request=used * 1e3 / max(seen.requests, 1),
        answered=seen.requests - seen.not_2xx,
        not_2xx=seen.not_2xx,
        socket_errors=seen.socket_errors,
        new_rows=server.settled_rows() - rows,
        resident_mib=resident_mib(server.pid),
        others_cores=max(others, 0.0) / lasted,
        stolen_cores=(machine_after.stolen - machine.stolen) / lasted,
        sync_ms=sync_milliseconds(bodies.parent),
    )


def compared(cells: Sequence[Cell]) -> list[Cell]:
    """Set the ratio of each cell of one round and load to the first of them."""
    base = cells[0].requests_per_second
    return [Cell(**asdict(cell) | {"ratio": cell.requests_per_second / base}) for cell in cells]


def benchmark(servers: list[Server], bodies: Path, arguments: argparse.Namespace) -> list[Cell]:
    """Run all rounds. The servers alternate under one load, and every second round reverses their order."""
    cells: list[Cell] = []
    for server in servers:
        load(server.url, server.key, bodies, 8, 2)
        server.settled_rows()
    for number in range(arguments.rounds):
        for connections in arguments.connections:
            order = servers if number % 2 == 0 else servers[::-1]
            got = [measured(server, bodies, connections, arguments.seconds, number) for server in order]
            cells += compared(got if number % 2 == 0 else got[::-1])
            print(f"round {number + 1} of {arguments.rounds}, {connections} connections done", flush=True)
    return cells


def row(cells: Sequence[Cell]) -> list[str]:
    """Return the table's row for one server under one load."""
    kept = all(cell.rows_kept() for cell in cells)
    missing = [f"{cell.new_rows - cell.answered:+d}" for cell in cells if not cell.rows_kept()]
    return [
        str(cells[0].connections),
        cells[0].server,
        with_range([cell.requests_per_second for cell in cells]),
        with_range([cell.ratio for cell in cells], 2),
        middle([cell.p50_ms for cell in cells], 2),
        middle([cell.p99_ms for cell in cells], 1),
        f"{max(cell.p99_ms for cell in cells):.1f}",
        middle([cell.cpu_ms_per_request for cell in cells], 3),
        str(sum(cell.not_2xx for cell in cells)),
        str(sum(cell.socket_errors for cell in cells)),
        "yes" if kept else f"no ({', '.join(missing)})",
        middle([cell.resident_mib for cell in cells]),
    ]


def report(cells: Sequence[Cell]) -> str:
    """Return the table of all cells and a line on other load on the machine."""
    groups: dict[tuple[int, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.connections, cell.server), []).append(cell)
    lines = [row(groups[group]) for group in sorted(groups, key=lambda group: group[0])]
    others, stolen = [cell.others_cores for cell in cells], max(cell.stolen_cores for cell in cells)
    return (
        f"{table(HEADING, lines)}\n\n"
        f"noise: a sync took {with_range([cell.sync_ms for cell in cells], 2)} ms; other processes used "
        f"{with_range(others, 2)} cores; at worst {stolen:.2f} cores were stolen"
    )


def variant(argument: str) -> Variant:
    """Parse `name:KEY=VALUE,KEY=VALUE`; the settings are optional."""
    name, _, settings = argument.partition(":")
    try:
        pairs = dict(setting.split("=", 1) for setting in settings.split(",") if setting)
    except ValueError as error:
        raise argparse.ArgumentTypeError("a variant has the form name:KEY=VALUE,KEY=VALUE") from error
    if not name.replace("-", "").isalnum() or name in ("reference", "before"):
        raise argparse.ArgumentTypeError("use letters, digits and hyphens in a name; not reference or before")
    return Variant(name, PIXELWISE, pairs)


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load in each cell")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32])
    parser.add_argument(
        "--variant",
        type=variant,
        action="append",
        help="name:KEY=VALUE,...: PixelWise with these environment variables, UVICORN_* included; may be repeated",
    )
    parser.add_argument(
        "--before",
        type=Path,
        metavar="FOLDER",
        help="compare with the PixelWise in this folder instead of the reference",
    )
    parser.add_argument(
        "--postgresql", metavar="URL", help="URL of a server; the databases are created there and dropped at the end"
    )
    parser.add_argument("--folder", type=Path, help="folder for the databases (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to this file")
    arguments = parser.parse_args()
    arguments.variant = arguments.variant or [Variant("pixelwise", PIXELWISE)]
    if len({variant.name for variant in arguments.variant}) < len(arguments.variant):
        parser.error("two variants have the same name")
    return arguments


def main() -> None:
    """Start the servers, measure them and print the table."""
    arguments = read_arguments()
    # By default SIGTERM ends this process and leaves the servers running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        data = digits()
        bodies = folder / "bodies.jsonl"
        write_bodies(bodies, data.test_images[:DRAWINGS])
        where = "databases on PostgreSQL" if arguments.postgresql else description(folder)
        print(f"{DRAWINGS} drawings ({data.source}), {arguments.seconds} s each; {where}", flush=True)
        first = Variant("reference", REFERENCE)
        if arguments.before:
            first = Variant("before", pixelwise_in(arguments.before.resolve()))
        servers = [first, *arguments.variant]
        with running(servers, folder, arguments.postgresql) as started:
            cells = benchmark(started, bodies, arguments)
    print(f"\n{report(cells)}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=1) + "\n")


if __name__ == "__main__":
    main()
