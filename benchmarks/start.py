"""Measure the time from the start of the service to its first answer, and of an `init_db.py` with nothing to do.

`python -m benchmarks.start --rounds 11`; see benchmarks/README.md.
"""

import argparse
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.calls import CALLS, Request
from benchmarks.digits import digits
from benchmarks.machine import description
from benchmarks.report import table, with_range
from benchmarks.servers import (
    PIXELWISE,
    START_SECONDS,
    Kind,
    Variant,
    database,
    environment_of,
    pixelwise_in,
    prepare,
    started,
)

HEADING = ("service", "process start to first answer, s", "init_db.py with nothing to do, s")
POLL_SECONDS = 0.005


def seconds_to_answer(kind: Kind, environment: dict[str, str], drawing: Request, log: Path) -> float:
    """Start the service; return the seconds until it has answered a drawing; raise RuntimeError if it does not."""
    headers = drawing.headers | {"X-API-Key": environment["SECRET_API_KEY"]}
    with log.open("wb") as errors:
        began = time.monotonic()
        with started(kind, environment, errors) as (process, url):
            request = urllib.request.Request(url + drawing.path, drawing.body, headers)
            while time.monotonic() < began + START_SECONDS and process.poll() is None:
                try:
                    with urllib.request.urlopen(request, timeout=5):
                        return time.monotonic() - began
                except (urllib.error.URLError, OSError):
                    time.sleep(POLL_SECONDS)
    raise RuntimeError(f"the server did not start; its log:\n{log.read_text(errors='replace')}")


def report(before: Path | None, rounds: int) -> str:
    """Upgrade and start the services in turns; return the table."""
    variants = [Variant("before", pixelwise_in(before.resolve()))] if before else []
    variants.append(Variant("pixelwise", PIXELWISE))
    (drawing,) = CALLS["classify"].requests(PIXELWISE, digits().test_images[:1])
    upgrades: dict[str, list[float]] = {variant.name: [] for variant in variants}
    starts: dict[str, list[float]] = {variant.name: [] for variant in variants}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The first round creates the databases and is not counted.
        for number in range(rounds + 1):
            for variant in variants:
                with database(variant, folder, None) as url:
                    environment = environment_of(variant, url)
                    began = time.monotonic()
                    prepare(variant.kind, environment)
                    upgraded = time.monotonic() - began
                    answered = seconds_to_answer(variant.kind, environment, drawing, folder / "log")
                if number:
                    upgrades[variant.name].append(upgraded)
                    starts[variant.name].append(answered)
    lines = [[name, with_range(times, 2), with_range(upgrades[name], 2)] for name, times in starts.items()]
    return table(HEADING, lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="compare with the PixelWise in this folder")
    arguments = parser.parse_args()
    print(f"{description()}\n\n{report(arguments.before, arguments.rounds)}")


if __name__ == "__main__":
    main()
