"""Compare PixelWise over HTTP with the reference, an older PixelWise or model servers that store nothing.

`python -m benchmarks.http --rounds 5 --seconds 5`; see benchmarks/README.md.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.classifier import classify_batch
from benchmarks.calls import CALLS, Call, check_answers, raw
from benchmarks.digits import Digits, digits
from benchmarks.load import Load, load, write_requests
from benchmarks.machine import description, library_that_delays_syncs, processor_time, sync_milliseconds, usage
from benchmarks.peers import PEERS, install
from benchmarks.report import middle, ratio, table, with_range
from benchmarks.servers import CONSTANT, PIXELWISE, REFERENCE, Kind, Server, Variant, pixelwise_in, running

DRAWINGS = 64
OTHERS: dict[str, Kind] = {"reference": REFERENCE, **PEERS, "constant": CONSTANT}


@dataclass(frozen=True)
class Cell:
    """The measurement of one server under one load in one round; rates and costs are those of single drawings."""

    round: int
    connections: int
    server: str
    per_second: float
    ratio: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    switches: float
    not_2xx: int
    socket_errors: int
    stored: int
    """Drawings in 2xx answers that must have a row."""
    new_rows: int | None
    """None if the server stores nothing."""
    cut_off: int
    """Drawings in requests that may have been running at the end of the load, and may have rows, too."""
    resident_mib: float
    others_cores: float
    stolen_cores: float
    sync_ms: float

    def rows_kept(self) -> bool:
        """Return whether each 2xx has its row."""
        return self.new_rows is None or self.stored <= self.new_rows <= self.stored + self.cut_off


def measured(server: Server, requests: Path, call: Call, connections: int, seconds: int, number: int) -> Cell:
    """Load one server and measure it; `compared` sets the ratio."""
    rows, used, machine, began = server.rows(), usage(server.pid), processor_time(), time.monotonic()
    seen: Load = load(server.url, requests, connections, seconds)
    lasted = time.monotonic() - began
    machine_after, used_after = processor_time(), usage(server.pid)
    cpu_seconds = used_after.cpu_seconds - used.cpu_seconds
    others = machine_after.busy - machine.busy - cpu_seconds - seen.loader_cpu_seconds
    drawings = max(seen.requests, 1) * call.drawings
    stores = server.kind.stores and call.stores
    return Cell(
        round=number,
        connections=connections,
        server=server.name,
        per_second=seen.requests * call.drawings / seen.seconds,
        ratio=1.0,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        cpu_ms=cpu_seconds * 1e3 / drawings,
        switches=used_after.switches_since(used) / drawings,
        not_2xx=seen.not_2xx,
        socket_errors=seen.socket_errors,
        stored=(seen.requests - seen.not_2xx) * call.drawings,
        new_rows=server.settled_rows() - rows if stores else None,
        cut_off=connections * call.drawings,
        resident_mib=used_after.resident_mib,
        others_cores=max(others, 0.0) / lasted,
        stolen_cores=(machine_after.stolen - machine.stolen) / lasted,
        sync_ms=sync_milliseconds(requests.parent),
    )


def compared(cells: Sequence[Cell]) -> list[Cell]:
    """Set the ratio of each cell of one round and load to the first of them."""
    return [replace(cell, ratio=ratio(cell.per_second, cells[0].per_second)) for cell in cells]


def benchmark(servers: list[Server], data: Digits, folder: Path, arguments: argparse.Namespace) -> list[Cell]:
    """Run all rounds. The servers alternate under one load, and every second round reverses their order."""
    cells: list[Cell] = []
    call = CALLS[arguments.call]
    images = data.test_images[: max(DRAWINGS, call.drawings)]
    expected = [answer["prediction"] for answer in classify_batch(images[:DRAWINGS])]
    files = {server.name: folder / f"{server.name}.requests" for server in servers}
    for server in servers:
        check_answers(server, images[:DRAWINGS], expected)
        write_requests(files[server.name], [raw(server, request) for request in call.requests(server.kind, images)])
        load(server.url, files[server.name], 8, min(arguments.seconds, 2))
        server.settled_rows()
    for number in range(arguments.rounds):
        for connections in arguments.connections:
            order = servers if number % 2 == 0 else servers[::-1]
            got = [
                measured(server, files[server.name], call, connections, arguments.seconds, number) for server in order
            ]
            cells += compared(got if number % 2 == 0 else got[::-1])
            done = f"round {number + 1} of {arguments.rounds}, {connections} connections done"
            print(done, file=sys.stderr, flush=True)
    return cells


def run(arguments: argparse.Namespace) -> list[Cell]:
    """Start the servers and measure them."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        data = digits()
        where = "databases on PostgreSQL" if arguments.postgresql else description(folder)
        print(f"{DRAWINGS} drawings ({data.source}), {arguments.seconds} s each; {where}\n", flush=True)
        with running(variants(arguments, folder), folder, arguments.postgresql) as servers:
            return benchmark(servers, data, folder, arguments)


def variants(arguments: argparse.Namespace, folder: Path) -> list[Variant]:
    """Return what to run, first the one to compare with; install missing peers."""
    for name in set(arguments.against) & set(PEERS):
        install(name)
    settings = {}
    if arguments.sync_delay:
        settings = {"LD_PRELOAD": str(library_that_delays_syncs(folder)), "SLOW_SYNC_MS": str(arguments.sync_delay)}
    before = [Variant("before", pixelwise_in(arguments.before.resolve()))] if arguments.before else []
    chosen = [*(Variant(name, OTHERS[name]) for name in arguments.against), *before, *arguments.variant]
    return [Variant(one.name, one.kind, {**settings, **one.settings}) for one in chosen]


def row(cells: Sequence[Cell]) -> list[str]:
    """Return the table's row for one server under one load."""
    missing = [
        f"{cell.new_rows - cell.stored:+d}" for cell in cells if cell.new_rows is not None and not cell.rows_kept()
    ]
    rows_kept = "-" if cells[0].new_rows is None else "yes" if not missing else f"no ({', '.join(missing)})"
    return [
        str(cells[0].connections),
        cells[0].server,
        with_range([cell.per_second for cell in cells]),
        with_range([cell.ratio for cell in cells], 2),
        middle([cell.p50_ms for cell in cells], 2),
        middle([cell.p99_ms for cell in cells], 1),
        f"{max(cell.p99_ms for cell in cells):.1f}",
        middle([cell.cpu_ms for cell in cells], 3),
        middle([cell.switches for cell in cells], 1),
        str(sum(cell.not_2xx for cell in cells)),
        str(sum(cell.socket_errors for cell in cells)),
        rows_kept,
        f"{cells[0].resident_mib:.0f}..{cells[-1].resident_mib:.0f}",
    ]


def grouped(cells: Sequence[Cell]) -> dict[tuple[int, str], list[Cell]]:
    """Return the cells of each load and server, in the order of the rounds."""
    groups: dict[tuple[int, str], list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: cell.connections):
        groups.setdefault((cell.connections, cell.server), []).append(cell)
    return groups


def report(cells: Sequence[Cell], call: Call) -> str:
    """Return the table of all cells and a line on other load on the machine."""
    unit = "request" if call.drawings == 1 else "drawing"
    heading = (
        *("connections", "server", f"{unit}s/s", "ratio to the first", "p50 ms", "p99 ms", "worst p99 ms"),
        *(f"CPU ms/{unit}", f"switches/{unit}", "not 2xx", "socket errors", "rows = 2xx", "RSS MiB"),
    )
    others, stolen = [cell.others_cores for cell in cells], max(cell.stolen_cores for cell in cells)
    return (
        f"{table(heading, map(row, grouped(cells).values()))}\n\n"
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
    if not name.replace("-", "").isalnum() or name in ("before", *OTHERS):
        raise argparse.ArgumentTypeError("use letters, digits and hyphens in a name, and no other server's name")
    return Variant(name, PIXELWISE, pairs)


def read_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5)
    add("--seconds", type=int, default=5, help="of load in each cell")
    add("--connections", type=int, nargs="+", default=[1, 32])
    add("--call", choices=CALLS, default="classify", help="what clients send (default: classify)")
    add(
        "--against",
        choices=OTHERS,
        nargs="*",
        help="servers to compare with (default: reference, or none with --before); missing ones are installed",
    )
    add("--before", type=Path, metavar="FOLDER", help="compare with the PixelWise in this folder")
    add(
        "--variant",
        type=variant,
        action="append",
        help="name:KEY=VALUE,...: PixelWise with these environment variables, UVICORN_* included; may be repeated",
    )
    add("--postgresql", metavar="URL", help="URL of a server; databases are created there and dropped at the end")
    add("--sync-delay", type=int, metavar="MS", help="every sync of a file takes so much longer")
    add("--folder", type=Path, help="folder for the databases (default: a temporary folder)")
    add("--json", type=Path, metavar="FILE", help="write every measurement to this file")
    arguments = parser.parse_args(given)
    arguments.variant = arguments.variant or [Variant("pixelwise", PIXELWISE)]
    if arguments.against is None:
        arguments.against = [] if arguments.before else ["reference"]
    if len({variant.name for variant in arguments.variant}) < len(arguments.variant):
        parser.error("two variants have the same name")
    if arguments.call != "classify" and arguments.against:
        parser.error(f"only PixelWise has the call {arguments.call}: add --against without a name, or --before")
    return arguments


def main() -> None:
    """Start the servers, measure them and print the table."""
    arguments = read_arguments()
    # By default SIGTERM ends this process and leaves the servers running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    cells = run(arguments)
    print(report(cells, CALLS[arguments.call]))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=1) + "\n")


if __name__ == "__main__":
    main()
