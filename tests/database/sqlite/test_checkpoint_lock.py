"""One process at a time checkpoints the WAL, and the WAL stays small."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from app.database import Database
from app.database.sqlite.checkpoint_lock import CheckpointLock
from tests.support.predictions import a_prediction
from tests.support.project_copy import PROJECT, environment
from tests.support.service import execute, rows
from tests.support.service_process import Load, missing, serving
from tests.support.strace import strace

# A line of `strace -f -y`: thread, call, file and the rest; or the end of an interrupted flock.
CALL = re.compile(r"^(\d+) +(?:(flock|close|pwrite64)\(\d+<([^>]+)>|<\.\.\. flock resumed>)(.*)$", re.MULTILINE)

HOLDS_THE_LOCK = """
import sys, time
from pathlib import Path
from app.database.sqlite.checkpoint_lock import CheckpointLock
print(CheckpointLock(Path(sys.argv[1])).acquire(), flush=True)
time.sleep(60)
"""


def test_lock_is_held_until_it_is_released(tmp_path: Path) -> None:
    first, second = (CheckpointLock(tmp_path / "pixelwise.db") for _ in range(2))
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    assert not first.acquire(timeout_s=0.05)
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_link_and_its_target_share_a_lock(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pixelwise.db").touch()
    (tmp_path / "pixelwise.db").symlink_to(tmp_path / "data" / "pixelwise.db")
    by_link, by_name = CheckpointLock(tmp_path / "pixelwise.db"), CheckpointLock(tmp_path / "data" / "pixelwise.db")
    assert by_link.acquire()
    assert not by_name.acquire()
    by_link.release()


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    database = tmp_path / "pixelwise.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_LOCK, str(database)],
        env=environment(PYTHONPATH=str(PROJECT)),
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        mine = CheckpointLock(database)
        assert not mine.acquire()
        other.kill()
    assert mine.acquire()
    mine.release()


@pytest.mark.slow
def test_wal_stays_small_while_another_process_is_idle(sqlite_url: str, tmp_path: Path) -> None:
    wal = tmp_path / "pixelwise.db-wal"

    def add(session: Session) -> None:
        session.add_all(a_prediction(notes="n" * 900) for _ in range(100))

    idle, busy = Database(sqlite_url), Database(sqlite_url)
    for database in (idle, busy):
        asyncio.run(database.write(add))
    for _ in range(100):
        asyncio.run(busy.write(add))
    # 1000 pages of 4 KiB, and one transaction.
    assert wal.stat().st_size < 6 * 1024 * 1024
    busy.close()
    idle.close()
    assert [path.name for path in tmp_path.iterdir()] == ["pixelwise.db"]


def checkpointed_pages(trace: str, database: Path) -> tuple[int, int]:
    """Return how often the lock was taken, and how many pages were written to the file by its holder."""
    holder, locks, pages = None, 0, 0
    asked = {}
    for thread, call, file, rest in CALL.findall(trace):
        if call == "flock":
            asked[thread] = file
        # Workers lock the folder of their metrics, too.
        if call in ("flock", "") and rest.endswith("= 0") and asked[thread] == str(database.parent):
            assert holder is None, "two processes hold the lock"
            holder, locks = thread, locks + 1
        elif call == "close" and file == str(database.parent) and thread == holder:
            holder = None
        elif call == "pwrite64" and file == str(database):
            assert thread == holder, "a process without the lock writes to the file"
            pages += 1
    return locks, pages


@pytest.mark.slow
def test_only_the_process_with_the_lock_writes_to_the_file(sqlite_url: str, tmp_path: Path) -> None:
    trace, folder = tmp_path / "trace", tmp_path.resolve()
    # Turning WAL mode on writes to the file too, under SQLite's lock.
    execute(sqlite_url, "PRAGMA journal_mode=WAL")
    with serving(sqlite_url, tmp_path, tracer=strace(trace, "flock", "close", "pwrite64"), workers=2) as service:
        with Load(service.port, 16) as load:
            load.wait_for(2000)
        service.stop()
    locks, pages = checkpointed_pages(trace.read_text(), folder / "pixelwise.db")
    assert locks > 10
    assert pages > 100
    assert missing(load.acknowledged, sqlite_url) == []
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
