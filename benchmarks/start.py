"""Measure the start of the service until its first answer, and commands until their end: processor time and time.

`python -m benchmarks.start --before ../before`; see benchmarks/README.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.calls import CALLS, Request
from benchmarks.digits import digits
from benchmarks.machine import cpu_seconds, description
from benchmarks.report import middle, table, with_range
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

SERVICE: Final = "service, to its first answer"
# `init_db.py` has nothing to do.
COMMANDS: Final = ("init_db.py", "-m app check", "-m app stats", "-m app stats --help")
POLL_SECONDS: Final = 0.005


class Seconds(NamedTuple):
    cpu: float
    wall: float


def to_first_answer(kind: Kind, environment: Mapping[str, str], drawing: Request, log: Path) -> Seconds:
    """Start the service and send a drawing until it is answered; raise RuntimeError if it never is."""
    headers = drawing.headers | {"X-API-Key": environment["SECRET_API_KEY"]}
    with log.open("wb") as errors:
        began = time.monotonic()
        with started(kind, environment, errors) as (process, url):
            request = urllib.request.Request(url + drawing.path, drawing.body, headers)
            while time.monotonic() < began + START_SECONDS and process.poll() is None:
                try:
                    with urllib.request.urlopen(request, timeout=5):
                        return Seconds(cpu_seconds(process.pid), time.monotonic() - began)
                except (urllib.error.URLError, OSError):
                    time.sleep(POLL_SECONDS)
    raise RuntimeError(f"the server did not start; its log:\n{log.read_text(errors='replace')}")


def to_end(command: str, kind: Kind, environment: Mapping[str, str]) -> Seconds:
    """Run a command; raise CalledProcessError if it fails."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command.split()], cwd=kind.folder, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Seconds(used.ru_utime + used.ru_stime, wall)


def measured(variants: Sequence[Variant], rounds: int) -> dict[str, list[list[Seconds]]]:
    """Start everything in turns; return the times of each start, for each variant."""
    (drawing,) = CALLS["classify"].requests(PIXELWISE, digits().test_images[:1])
    found: dict[str, list[list[Seconds]]] = {what: [[] for _ in variants] for what in (SERVICE, *COMMANDS)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The first round creates the databases and is not counted.
        for number in range(rounds + 1):
            for position, variant in enumerate(variants):
                with database(variant, folder, None) as url:
                    environment = environment_of(variant, url)
                    prepare(variant.kind, environment)
                    times = {SERVICE: to_first_answer(variant.kind, environment, drawing, folder / "log")}
                    times |= {command: to_end(command, variant.kind, environment) for command in COMMANDS}
                for what, seconds in times.items() if number else ():
                    found[what][position].append(seconds)
    return found


def line(what: str, versions: Sequence[Sequence[Seconds]]) -> list[str]:
    """Return a line of the table: for each kind of time the versions, and the ratio of the last to the first."""
    cells = [what if what == SERVICE else f"`python {what}`"]
    for kind in range(2):
        values = [[seconds[kind] for seconds in rounds] for rounds in versions]
        cells += [middle(of_version, 2) for of_version in values]
        cells += [with_range([now / before for before, now in zip(*values, strict=True)], 2)] if values[1:] else []
    return cells


def report(before: Path | None, rounds: int) -> str:
    """Measure the start, compared with the PixelWise in another folder; return the table."""
    # Those of .env.example; loading the library that reads others takes time.
    limits = {"RATE_LIMIT": "30/minute", "PREVIEW_LIMIT": "900/minute"}
    variants = [Variant("before", pixelwise_in(before.resolve()), limits)] if before else []
    variants.append(Variant("now", PIXELWISE, limits))
    names = [*(variant.name for variant in variants), *(["ratio"] if before else [])]
    heading = ["start of", *(f"{kind} {name}" for kind in ("CPU s", "s") for name in names)]
    return table(heading, [line(*one) for one in measured(variants, rounds).items()])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="compare with the PixelWise in this folder")
    arguments = parser.parse_args()
    print(f"{description()}\n\n{report(arguments.before, arguments.rounds)}")


if __name__ == "__main__":
    main()
