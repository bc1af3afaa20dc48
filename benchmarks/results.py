"""Compare the response times of a service with ten thousand rows and of one with a million rows.

`python -m benchmarks.results`; see benchmarks/README.md.
"""

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from urllib.parse import urlencode, urlsplit

from app.repository.results import Position
from app.services.cursors import cursor_of
from benchmarks.generated_rows import fill, time_of
from benchmarks.machine import description, resident_mib
from benchmarks.report import table
from benchmarks.servers import PIXELWISE, Server, Variant, running

SMALL, LARGE = 10_000, 1_000_000
TARGET = 3.0
# Less than the 5 s after which the server closes an idle connection.
KEPT_OPEN_S = 3.0

# Each filter of the list, with common and rare values; "none:" marks filters that match no row. The one with "few:" has
# no index, and is the only one that takes longer in a larger table.
FILTERS: dict[str, dict[str, str]] = {
    "no filter": {},
    "prediction": {"prediction": "7"},
    "none: prediction": {"prediction": "x"},
    "model_version, common": {"model_version": "v1"},
    "model_version, newest": {"model_version": "v2"},
    "none: model_version": {"model_version": "v3"},
    "min_confidence 0.9": {"min_confidence": "0.9"},
    "min_confidence 0.95": {"min_confidence": "0.95"},
    "confidence 0.95 to 0.96": {"min_confidence": "0.95", "max_confidence": "0.96"},
    "few: confidence 0.95 to 0.95001": {"min_confidence": "0.95", "max_confidence": "0.95001"},
    "max_confidence 0.9": {"max_confidence": "0.9"},
    "max_confidence 0.82": {"max_confidence": "0.82"},
    "none: max_confidence": {"max_confidence": "0.05"},
    "label": {"label": "7"},
    "none: label": {"label": "none"},
    "labelled": {"labelled": "true"},
    "not labelled": {"labelled": "false"},
    "notes_contains": {"notes_contains": "REMARK"},
    "since": {"since": "2026-09-01T00:00:00Z"},
    "until": {"until": "2026-02-01T00:00:00Z"},
    "since, until, prediction": {"since": "2026-05-01", "until": "2026-06-01", "prediction": "7"},
}
OTHERS: dict[str, str] = {
    "/stats?last=100": "/stats?last=100",
    "/stats?last=100&model_version=v1": "/stats?last=100&model_version=v1",
    "one result": "/results/5000",
}
WHOLE: dict[str, str] = {
    "/stats": "/stats",
    "/models": "/models",
    "/export npz": "/export?format=npz",
    "/export npz, unlabelled too": "/export?format=npz&include_unlabelled=true",
    "/export jsonl, unlabelled too": "/export?format=jsonl&include_unlabelled=true",
    "/export csv, unlabelled too": "/export?format=csv&include_unlabelled=true",
}


class Caller:
    """A client with one persistent connection."""

    def __init__(self, server: Server, rows: int) -> None:
        self.server, self.rows = server, rows
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=900)
        self._used = 0.0

    def milliseconds(self, path: str) -> float:
        """Send a GET and read the whole response; raise RuntimeError unless it is a 200."""
        if time.monotonic() - self._used > KEPT_OPEN_S:
            self._connection.close()
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"X-API-Key": self.server.key})
        response = self._connection.getresponse()
        while response.read(1 << 20):
            pass
        if response.status != http.client.OK:
            raise RuntimeError(f"{path}: {response.status}")
        self._used = time.monotonic()
        return (time.perf_counter() - began) * 1e3


def depths(filters: dict[str, str], rows: int) -> Iterator[tuple[str, str]]:
    """Yield the path of a filter's first page, of one in the middle of all rows and of one near the end."""
    for name, share in (("first", None), ("middle", 0.5), ("late", 0.02)):
        parameters = dict(filters)
        if share is not None:
            position = int(rows * share)
            parameters["cursor"] = cursor_of(Position(position, time_of(position, rows)))
        yield name, f"/results?{urlencode(parameters)}"


def compared(small: Caller, large: Caller, paths: tuple[str, str], rounds: int) -> tuple[float, float, float]:
    """Call both services alternately; return the median milliseconds of each and the median ratio."""
    pairs = [(small.milliseconds(paths[0]), large.milliseconds(paths[1])) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(b / a for a, b in pairs)


def pages(small: Caller, large: Caller, rounds: int) -> Iterator[list[str]]:
    """Yield a row for each filter and depth, and for other requests that must not depend on the number of rows."""
    questions = [
        (f"{name}, {depth}", (path, other))
        for name, filters in FILTERS.items()
        for (depth, path), (_, other) in zip(depths(filters, small.rows), depths(filters, large.rows), strict=True)
    ]
    questions += [(name, (path, path)) for name, path in OTHERS.items()]
    for name, paths in questions:
        few, many, ratio = compared(small, large, paths, rounds)
        verdict = "yes" if ratio <= TARGET else "**no**"
        yield [name, f"{few:.2f}", f"{many:.2f}", f"{ratio:.2f}", verdict]


def wholes(small: Caller, large: Caller) -> Iterator[list[str]]:
    """Yield a row for each request that reads everything: cost per row, and the service's memory afterwards."""
    for name, path in WHOLE.items():
        few, many, _ = compared(small, large, (path, path), 1)
        per_row = [1e3 * few / small.rows, 1e3 * many / large.rows]
        yield [
            name,
            f"{few:.0f}",
            f"{many:.0f}",
            *(f"{us:.2f}" for us in per_row),
            f"{resident_mib(large.server.pid):.0f}",
        ]


def main() -> None:
    """Fill two databases, start a service on each and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__)
    parser.add_argument("--rounds", type=int, default=31, help="requests for each page")
    parser.add_argument("--large", type=int, default=LARGE, help="rows in the large database")
    parser.add_argument("--postgresql", help="URL of a server; both databases are created there and dropped at the end")
    parser.add_argument("--folder", type=Path, help="folder for the databases (default: a temporary folder)")
    parser.add_argument("--only-pages", action="store_true", help="leave out the requests that read everything")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        variants = [Variant("small", PIXELWISE), Variant("large", PIXELWISE)]
        with running(variants, folder, options.postgresql) as servers:
            callers = []
            for server, rows in zip(servers, (SMALL, options.large), strict=True):
                print(f"Writing {rows:,} rows", flush=True)
                fill(server.database_url, rows)
                callers.append(Caller(server, rows))
            small, large = callers
            print(f"{description(folder)}; {'PostgreSQL' if options.postgresql else 'SQLite'}\n")
            heading = ("page", f"{SMALL:,} rows, ms", f"{options.large:,} rows, ms", "ratio", f"at most {TARGET:g}")
            print(table(heading, pages(small, large, options.rounds)), flush=True)
            if not options.only_pages:
                heading = ("everything", "small, ms", "large, ms", "small, us/row", "large, us/row", "large, RSS MiB")
                print("\n" + table(heading, wholes(small, large)))
            print("\n" + json.dumps({"resident MiB": [round(resident_mib(s.pid)) for s in servers]}))


if __name__ == "__main__":
    main()
