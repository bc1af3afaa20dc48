"""kill -9 and SIGTERM under load, many rounds on each engine, with one worker and two; every row is looked for.

`python -m benchmarks.faults.kills [--rounds 10]`; about three minutes.
"""

import argparse
import sys
from collections.abc import Callable

from benchmarks.faults.databases import ENGINES, database
from benchmarks.report import table
from tests.support.kill_rounds import kill_all_workers, kill_one_worker, kill_under_load, stop_workers

HEADING = ("engine", "fault", "rounds", "rows acknowledged", "broken promise")
FAULTS: dict[str, Callable[..., int]] = {
    "kill -9, 4 clients": lambda url, folder, rounds: kill_under_load(url, folder, rounds=rounds, clients=4),
    "kill -9, 16 clients": lambda url, folder, rounds: kill_under_load(url, folder, rounds=rounds, clients=16),
    "kill -9 of one worker of two": kill_one_worker,
    "kill -9 of both workers": kill_all_workers,
    "SIGTERM, two workers": stop_workers,
}


def main() -> int:
    """Run the drill."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    lines, kept = [], True
    for engine in ENGINES:
        for name, fault in FAULTS.items():
            with database(engine, "kills") as (url, folder):
                try:
                    acknowledged, broken = str(fault(url, folder, rounds=rounds)), ""
                except AssertionError as error:
                    acknowledged, broken, kept = "", str(error) or "a row is not as it was acknowledged", False
            lines.append([engine, name, str(rounds), acknowledged, broken])
    print(table(HEADING, lines))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
