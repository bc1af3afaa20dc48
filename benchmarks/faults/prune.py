"""`python -m app prune` deletes nine tenths of a database while clients send drawings and label old ones.

`python -m benchmarks.faults.prune [--rows 100000] [--engines sqlite postgresql]`; one or two minutes. Four clients
send one drawing after another, and one labels rows that are about to be deleted. Exits with 1 if an acknowledged,
labelled or recent row is missing, an old row remains, a request fails, `integrity_check` finds an error, or SQLite's
WAL stays larger than 64 MiB.
"""

import argparse
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from benchmarks.faults.backup import command
from benchmarks.faults.databases import ENGINES, database
from benchmarks.generated_rows import fill, time_of
from benchmarks.report import table
from tests.support.callers import Callers
from tests.support.service import KEY, rows
from tests.support.service_process import Answer, Client, classify_body, drawing, missing, serving

HEADING = ("engine", "deleted", "took s", "file MB", "WAL MB", "answers, labels", "refused", "longest wait ms", "wrong")
CLIENTS = 4
# Labels per thousand old rows: few enough to be set before prune reaches these rows.
LABELS = 1
OLD = 0.9
BEFORE_S = 5.0
LOG_LIMIT = 64 * 1024 * 1024


class Crowd(Callers):
    """Four clients that send drawings, and one that labels given predictions."""

    clients = CLIENTS

    def __init__(self, port: int) -> None:
        self.acknowledged: dict[int, Answer] = {}
        self.labelled: list[int] = []
        self.refused: list[str] = []
        self.waits: list[float] = []
        self._port = port

    def label(self, predictions: range) -> None:
        """Start to label these predictions, twenty per second."""
        self._threads.append(threading.Thread(target=self._label, args=(predictions,)))
        self._threads[-1].start()

    def _run(self, number: int) -> None:
        random = Random(number)
        with Client(self._port) as client:
            while not self.ended:
                pixels = drawing(random)
                if answer := self._asked(client, "POST", "/classify", classify_body(pixels)):
                    scores = tuple(answer["scores"].values())
                    self.acknowledged[answer["id"]] = Answer(answer["prediction"], answer["confidence"], scores, pixels)

    def _label(self, predictions: range) -> None:
        with Client(self._port) as client:
            for id_ in predictions:
                if self._asked(client, "PUT", f"/results/{id_}/label", b'{"label": "7"}'):
                    self.labelled.append(id_)
                time.sleep(0.05)

    def _asked(self, client: Client, method: str, path: str, body: bytes) -> dict[str, object] | None:
        began = time.monotonic()
        client.connection.request(method, path, body, {"X-API-Key": KEY, "Content-Type": "application/json"})
        reply = client.receive()
        self.waits.append(time.monotonic() - began)
        if reply.status_code == 200:
            return reply.json()
        self.refused.append(reply.text)
        return None


class Past(NamedTuple):
    """The rows and labels before the drill; nine tenths of the rows are at least `days` old."""

    count: int
    labels: int
    days: int

    def first_since(self, moment: datetime) -> int:
        """Return the id of the first row at or after this time."""
        return next(id_ for id_ in range(1, self.count + 1) if time_of(id_, self.count) >= moment)


def past_of(url: str, count: int) -> Past:
    """Fill the database and return its description."""
    fill(url, count)
    days = (datetime.now(UTC) - time_of(int(OLD * count), count)).days
    return Past(count, one(url, "SELECT count(*) FROM labels"), days)


def one(url: str, query: str) -> int:
    """Return the single number of a query."""
    return int(next(iter(rows(url, query)[0].values())))


def wrong_in(url: str, past: Past, young: int, crowd: Crowd) -> dict[str, int]:
    """Count violations by kind; `young` is the first row that prune had to keep."""
    given = ", ".join(map(str, crowd.labelled)) or "0"
    predictions = "SELECT count(*) FROM predictions WHERE id"
    stay = past.count - young + 1
    return {
        "acknowledged rows missing": len(missing(crowd.acknowledged, url)),
        "recent rows missing": stay - one(url, f"{predictions} BETWEEN {young} AND {past.count}"),
        "labels missing": past.labels + len(crowd.labelled) - one(url, "SELECT count(*) FROM labels"),
        "rows labelled meanwhile missing": len(crowd.labelled) - one(url, f"{predictions} IN ({given})"),
        "old rows remaining": one(url, f"{predictions} < {young} AND id NOT IN (SELECT prediction_id FROM labels)"),
        "damaged": int(url.startswith("sqlite") and rows(url, "PRAGMA integrity_check") != [{"integrity_check": "ok"}]),
    }


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it does not exist, as on PostgreSQL."""
    return path.stat().st_size if path.exists() else 0


def run(engine: str, count: int) -> tuple[list[str], bool]:
    """Run the drill on one engine; return a row of the table and whether every promise was kept."""
    with database(engine, "prune") as (url, folder):
        print(f"Writing {count:,} rows to {engine}", file=sys.stderr, flush=True)
        past = past_of(url, count)
        file, log = folder / "pixelwise.db", folder / "pixelwise.db-wal"
        before = size_of(file)
        with serving(url, folder) as service:
            with Crowd(service.port) as crowd:
                time.sleep(BEFORE_S)
                calls_before = len(crowd.waits)
                # The newest of the old rows, which prune deletes last.
                last = past.first_since(datetime.now(UTC) - timedelta(days=past.days)) - 1
                crowd.label(range(last, last - LABELS * count // 1000, -1))
                pruned, took = command(folder, url, "prune", "--older-than", f"{past.days}d", "--yes")
            after, left = size_of(file), size_of(log)
            service.stop()
        young = past.first_since(datetime.fromisoformat(pruned["before"]))
        wrong = {what: times for what, times in wrong_in(url, past, young, crowd).items() if times}
        print(wrong, *crowd.refused[:3], file=sys.stderr, flush=True)
    line = [
        engine,
        f"{pruned['predictions']:,}",
        f"{took:.1f}",
        f"{before / 1e6:.0f} to {after / 1e6:.0f}",
        f"{left / 1e6:.1f}",
        f"{len(crowd.acknowledged):,}, {len(crowd.labelled)}",
        str(len(crowd.refused)),
        f"{max(crowd.waits[calls_before:]) * 1000:.0f} (before: {max(crowd.waits[:calls_before]) * 1000:.0f})",
        ", ".join(f"{what}: {times}" for what, times in wrong.items()) or "nothing",
    ]
    return line, not wrong and not crowd.refused and left <= LOG_LIMIT


def main() -> int:
    """Run the drill."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.prune", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    arguments = parser.parse_args()
    outcomes = [run(engine, arguments.rows) for engine in arguments.engines]
    print(table(HEADING, [line for line, _ in outcomes]))
    return 0 if all(kept for _, kept in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
