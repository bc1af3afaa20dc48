"""`python -m app prune` deletes nine tenths of a database while others send drawings and label old ones.

`python -m benchmarks.faults.prune [--rows 100000] [--engines sqlite postgresql]`; a minute or two. Four clients send
one drawing after another, and one labels rows that are about to go. Exits with 1 when a row is gone that was
acknowledged, labelled or young, an old one is still there, anything but 200 was answered, `integrity_check` finds
something, or SQLite's log stays larger than 64 MiB.
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
from benchmarks.past import fill, time_of
from benchmarks.report import table
from tests.support.callers import Callers
from tests.support.service import KEY, rows
from tests.support.service_process import Answer, Client, classify_body, drawing, missing, serving

HEADING = ("engine", "deleted", "took s", "file MB", "log MB", "answers, labels", "refused", "longest wait ms", "wrong")
CLIENTS = 4
# Of a thousand old rows: so few that they are labelled before their turn comes.
LABELS = 1
OLD = 0.9
BEFORE_S = 5.0
LOG_LIMIT = 64 * 1024 * 1024


class Crowd(Callers):
    """Four that send drawings, until they are told to end, and one that labels given predictions."""

    clients = CLIENTS

    def __init__(self, port: int) -> None:
        self.acknowledged: dict[int, Answer] = {}
        self.labelled: list[int] = []
        self.refused: list[str] = []
        self.waits: list[float] = []
        self._port = port

    def label(self, predictions: range) -> None:
        """Begin to label these, twenty a second."""
        self._threads.append(threading.Thread(target=self._label, args=(predictions,)))
        self._threads[-1].start()

    def _run(self, number: int) -> None:
        random = Random(number)
        with Client(self._port) as client:
            while not self.ended:
                pixels = drawing(random)
                if said := self._asked(client, "POST", "/classify", classify_body(pixels)):
                    scores = tuple(said["scores"].values())
                    self.acknowledged[said["id"]] = Answer(said["prediction"], said["confidence"], scores, pixels)

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
    """So many rows are there before, so many labels, and nine tenths of the rows are at least so many days old."""

    count: int
    labels: int
    days: int

    def first_since(self, moment: datetime) -> int:
        """Return the id of the first row that is not older than this."""
        return next(id_ for id_ in range(1, self.count + 1) if time_of(id_, self.count) >= moment)


def past_of(url: str, count: int) -> Past:
    """Make it."""
    fill(url, count)
    days = (datetime.now(UTC) - time_of(int(OLD * count), count)).days
    return Past(count, one(url, "SELECT count(*) FROM labels"), days)


def one(url: str, query: str) -> int:
    """A query's only number."""
    return int(next(iter(rows(url, query)[0].values())))


def wrong_in(url: str, past: Past, young: int, crowd: Crowd) -> dict[str, int]:
    """What must not be, and how often it is; `young` is the first row that had to stay."""
    given = ", ".join(map(str, crowd.labelled)) or "0"
    predictions = "SELECT count(*) FROM predictions WHERE id"
    stay = past.count - young + 1
    return {
        "acknowledged and gone": len(missing(crowd.acknowledged, url)),
        "young and gone": stay - one(url, f"{predictions} BETWEEN {young} AND {past.count}"),
        "labels gone": past.labels + len(crowd.labelled) - one(url, "SELECT count(*) FROM labels"),
        "labelled meanwhile and gone": len(crowd.labelled) - one(url, f"{predictions} IN ({given})"),
        "old and there": one(url, f"{predictions} < {young} AND id NOT IN (SELECT prediction_id FROM labels)"),
        "damaged": int(url.startswith("sqlite") and rows(url, "PRAGMA integrity_check") != [{"integrity_check": "ok"}]),
    }


def size_of(path: Path) -> int:
    """Bytes of a file; none where there is none, as on PostgreSQL."""
    return path.stat().st_size if path.exists() else 0


def run(engine: str, count: int) -> tuple[list[str], bool]:
    """Run the drill on one engine; return a line of the table, and whether every promise was kept."""
    with database(engine, "prune") as (url, folder):
        print(f"Writing {count:,} rows to {engine}", file=sys.stderr, flush=True)
        past = past_of(url, count)
        file, log = folder / "pixelwise.db", folder / "pixelwise.db-wal"
        before = size_of(file)
        with serving(url, folder) as service:
            with Crowd(service.port) as crowd:
                time.sleep(BEFORE_S)
                alone = len(crowd.waits)
                # The last of the old ones, whose turn comes at the end.
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
        f"{max(crowd.waits[alone:]) * 1000:.0f} (before: {max(crowd.waits[:alone]) * 1000:.0f})",
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
