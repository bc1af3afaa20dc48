"""Backups under load lose nothing; and the time to restore a database of a million rows.

`python -m benchmarks.faults.backup [--backups 20] [--rows 1000000] [--engines sqlite postgresql]`; about four minutes.
Two workers serve four clients that send one drawing after another. Each backup must contain every answer acknowledged
before it began. Then the database is deleted, and the drill measures the time until a service answers again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.faults.databases import DEFAULT_SERVER, ENGINES, database
from benchmarks.generated_rows import fill
from benchmarks.report import table, with_range
from tests.support.databases import postgres_database
from tests.support.project_copy import PROJECT, environment
from tests.support.service import execute, rows
from tests.support.service_process import Answer, Load, drawing, missing, serving

CLIENTS, WORKERS = 4, 2
UNDER_WRITERS = ("engine", "backups", "answers before the last", "missing in a backup", "refused", "s a backup")
AFTER_A_LOSS = ("engine", "rows", "backup s", "backup MB", "restore s", "rows restored", "service answers after s")


def command(folder: Path, url: str, *arguments: str) -> tuple[Any, float]:
    """Run a command of the service with --json; return its output and its seconds, or raise RuntimeError."""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "app", *arguments, "--json"],
        cwd=folder,
        env=environment(PYTHONPATH=str(PROJECT), DATABASE_URL=url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if ended.returncode != 0:
        raise RuntimeError(ended.stderr)
    return json.loads(ended.stdout), time.monotonic() - began


@contextmanager
def restored(engine: str, backup: Path, folder: Path) -> Iterator[str]:
    """Restore a backup into a new database; yield its URL."""
    if engine == "sqlite":
        copy = folder / "restored.db"
        url = f"sqlite:///{copy}"
        command(folder, url, "restore", str(backup), "--yes")
        yield url
        copy.unlink()
        return
    with postgres_database(os.environ.get("TEST_POSTGRES_URL", DEFAULT_SERVER), "restored") as url:
        command(folder, url, "restore", str(backup), "--yes")
        yield url


def under_writers(engine: str, count: int) -> tuple[list[str], bool]:
    """Make `count` backups under load; return a row of the table and whether nothing is missing."""
    before: list[dict[int, Answer]] = []
    seconds = []
    with database(engine, "backup") as (url, folder):
        with serving(url, folder, workers=WORKERS) as service, Load(service.port, CLIENTS) as load:
            for _ in range(count):
                load.wait_for(50)
                before.append(load.acknowledged)
                seconds.append(command(folder, url, "backup", "backups", "--keep", str(count))[1])
        backups = sorted(path for path in (folder / "backups").glob("pixelwise-*") if path.suffix != ".json")
        lost = 0
        for acknowledged, backup in zip(before, backups, strict=True):
            with restored(engine, backup, folder) as copy:
                lost += len(missing(acknowledged, copy))
    line = [engine, str(len(backups)), str(len(before[-1])), str(lost), str(len(load.refused)), with_range(seconds, 1)]
    return line, not lost and not load.refused


def after_a_loss(engine: str, count: int) -> tuple[list[str], bool]:
    """Delete a database of `count` rows and restore it; return a row of the table and whether all rows are back."""
    with database(engine, "lost") as (url, folder):
        print(f"Writing {count:,} rows to {engine}", file=sys.stderr, flush=True)
        fill(url, count)
        made, backup_s = command(folder, url, "backup", "backups")
        if engine == "sqlite":
            (folder / "pixelwise.db").unlink()
        else:
            execute(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        began = time.monotonic()
        _, restore_s = command(folder, url, "restore", str(folder / "backups" / made["file"]), "--yes")
        with serving(url, folder) as service, service.client() as client:
            reply = client.classify(drawing(Random(0)))
            back_s = time.monotonic() - began
        found = rows(url, "SELECT count(*) AS n FROM predictions")[0]["n"] - 1
    figures = [f"{count:,}", f"{backup_s:.1f}", f"{made['size'] / 1e6:.0f}", f"{restore_s:.1f}", f"{found:,}"]
    return [engine, *figures, f"{back_s:.1f}"], reply.status_code == 200 and found == count


def main() -> int:
    """Run the drill."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.backup", description=__doc__)
    parser.add_argument("--backups", type=int, default=20, help="backups on each engine")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    arguments = parser.parse_args()
    kept = []
    for heading, drill, count in (
        (UNDER_WRITERS, under_writers, arguments.backups),
        (AFTER_A_LOSS, after_a_loss, arguments.rows),
    ):
        lines = []
        for engine in arguments.engines:
            line, whole = drill(engine, count)
            lines.append(line)
            kept.append(whole)
        print(table(heading, lines) + "\n", flush=True)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
