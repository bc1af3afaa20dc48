"""kill -9, twenty times on each engine, with clients that hang up and retry with the same Idempotency-Key.

`python -m benchmarks.faults.exactly_once [--rounds 10] [--clients 16]`; a minute. Half of the kills hit a service with
one worker, half one with two.
"""

import argparse
import sys
from itertools import product

from benchmarks.faults.databases import ENGINES, database
from benchmarks.report import table
from tests.support.retrying_clients import outcome, survive_kills

HEADING = (
    "engine", "workers", "kills", "drawings answered", "rows", "hung up", "connections broken",
    "retries", "lost", "stored twice", "wrong answers",
)  # fmt: skip


def main() -> int:
    """Run the drill."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.exactly_once", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="kills of each of the four services")
    parser.add_argument("--clients", type=int, default=16)
    arguments = parser.parse_args()
    lines, kept = [], True
    for engine, workers in product(ENGINES, (1, 2)):
        with database(engine, "exactly_once") as (url, folder):
            load = survive_kills(url, folder, rounds=arguments.rounds, clients=arguments.clients, workers=workers)
            found = outcome(load, url)
        events = [load.events[name] for name in ("hung up", "connection broken", "asked for again")]
        failures = [len(found.lost), len(found.twice), len(found.wrong)]
        figures = [workers, arguments.rounds, found.answers, found.rows, *events, *failures]
        lines.append([engine, *map(str, figures)])
        kept = kept and not any(failures) and found.rows == found.answers
    print(table(HEADING, lines))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
