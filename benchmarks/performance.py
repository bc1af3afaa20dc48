"""Print the tables of docs/performance.md and draw its charts; --quick takes at most three minutes.

`python -m benchmarks.performance`; see benchmarks/README.md.
"""

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks import http, start
from benchmarks.calls import CALLS
from benchmarks.chart import line_chart
from benchmarks.http import Cell, grouped
from benchmarks.peers import PEERS, is_installed
from benchmarks.report import ratio, table, with_range
from benchmarks.servers import PROJECT

# As the lines of the charts are named and ordered.
NAMES = {
    "pixelwise": "PixelWise",
    "reference": "version 0.5's design",
    "mlserver": "MLServer",
    "litserve": "LitServe",
    "bentoml": "BentoML",
}
CHARTS = PROJECT / "docs" / "images"
FIGURES = {"requests/s": "per_second", "p99": "p99_ms", "CPU ms/request": "cpu_ms"}


def compared_with(cells: Sequence[Cell], name: str = "pixelwise") -> str:
    """Return a table of this server's figures divided by each other server's, within the rounds."""
    groups = grouped(cells)
    connections = sorted({cell.connections for cell in cells})
    others = [other for (first, other) in groups if first == connections[0] and other != name]
    lines = []
    for other in others:
        for heading, figure in FIGURES.items():
            line = [f"{name} / {other}", heading]
            for count in connections:
                pairs = zip(groups[count, name], groups[count, other], strict=True)
                line.append(with_range([ratio(getattr(a, figure), getattr(b, figure)) for a, b in pairs], 2))
            lines.append(line)
    return table(("servers", "figure", *map(str, connections)), lines)


def draw_charts(cells: Sequence[Cell], folder: Path) -> None:
    """Draw throughput and p99 over the connections."""
    groups = grouped(cells)
    charts = (
        ("performance-requests.svg", "Requests per second", "per_second", False),
        ("performance-p99.svg", "99 % of the answers arrive within, ms", "p99_ms", True),
    )
    for file, title, figure, log in charts:
        lines = {
            label: [
                (connections, max(median(getattr(cell, figure) for cell in group), 0.01))
                for (connections, server), group in groups.items()
                if server == name
            ]
            for name, label in NAMES.items()
        }
        lines = {label: line for label, line in lines.items() if line}
        (folder / file).write_text(line_chart(title, "connections", lines, log=log))


def sections(options: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Yield a title and the arguments of benchmarks.http for each comparison after the first."""
    usual = ["--rounds", "5", "--seconds", "5"]
    before = ["--before", str(options.before)] if options.before else []
    reference = [*before, "--against", "reference"]
    if options.postgresql:
        yield "PostgreSQL", [*reference, *usual, "--connections", "1", "32", "--postgresql", options.postgresql]
    else:
        print("\nPostgreSQL is left out; --postgresql URL measures it.", flush=True)
    yield "Each sync takes 5 ms longer", [*reference, *usual, "--connections", "32", "--sync-delay", "5"]
    for name, call in CALLS.items():
        if name != "classify":
            connections = ["--connections", *map(str, call.connections)]
            yield f"The call {name}", [*before, "--against", *usual, *connections, "--call", name]
    soak = ["--rounds", str(options.soak), "--seconds", "60", "--connections", "32"]
    yield f"Memory in {options.soak} minutes", ["--against", *soak]


def run(title: str, arguments: Sequence[str]) -> list[Cell]:
    """Run a comparison and print its table."""
    shown = ["URL" if "://" in argument else argument for argument in arguments]
    print(f"\n## {title}\n\n`python -m benchmarks.http {shlex.join(shown)}`, ", end="", flush=True)
    parsed = http.read_arguments(arguments)
    cells = http.run(parsed)
    print(http.report(cells, CALLS[parsed.call]), flush=True)
    return cells


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.performance", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="the first table only, in short rounds, with the peers that are installed")
    add("--before", type=Path, metavar="FOLDER", help="compare with the PixelWise in this folder, too")
    add("--postgresql", metavar="URL", help="URL of a server; databases are created there and dropped at the end")
    add("--soak", type=int, default=10, metavar="MINUTES", help="of load for the memory (default: 10)")
    add("--charts", type=Path, metavar="FOLDER", help="for the charts (default: docs/images; with --quick none)")
    return parser.parse_args()


def main() -> None:
    """Print all tables."""
    options = read_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    before = ["--before", str(options.before)] if options.before else []
    peers = [peer for peer in PEERS if is_installed(peer) or not options.quick]
    if len(peers) < len(PEERS):
        print(f"Left out, because not installed: {', '.join(sorted(set(PEERS) - set(peers)))}.")
    lengths = ["--rounds", "2", "--seconds", "2"] if options.quick else ["--rounds", "5", "--seconds", "5"]
    servers = [*before, "--against", "reference", *peers, "constant"]
    cells = run("PixelWise and others", [*servers, "--connections", "1", "8", "32", "128", *lengths])
    print(f"\n{compared_with(cells)}", flush=True)
    folder = options.charts or (None if options.quick else CHARTS)
    if folder:
        draw_charts(cells, folder)
    if options.quick:
        return
    for title, arguments in sections(options):
        run(title, arguments)
    command = shlex.join(["python", "-m", "benchmarks.start", *before])
    print(f"\n## Start\n\n`{command}`\n\n{start.report(options.before, 11)}")


if __name__ == "__main__":
    main()
