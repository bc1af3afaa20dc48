"""SQLite's log is moved into the file by one process at a time, however many use it, and never grows without end."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from sqlalchemy.orm import Session

from app.database import Database
from app.database.sqlite.checkpoint_lock import CheckpointLock
from tests.support.predictions import a_prediction
from tests.support.project_copy import PROJECT, environment
from tests.support.service import execute, rows
from tests.support.service_process import Load, missing, serving
from tests.support.strace import strace

# A line of strace -f -y, thread, call, file and the rest; or the end of an flock that others' calls came between.
CALL = re.compile(r"^(\d+) +(?:(flock|close|pwrite64)\(\d+<([^>]+)>|<\.\.\. flock resumed>)(.*)$", re.MULTILINE)

HAS_THE_TURN = """
import sys, time
from pathlib import Path
from app.database.sqlite.checkpoint_lock import CheckpointLock
print(CheckpointLock(Path(sys.argv[1])).acquire(), flush=True)
time.sleep(60)
"""


def test_one_has_the_turn_until_it_ends_it(tmp_path: Path) -> None:
    first, second = (CheckpointLock(tmp_path / "pixelwise.db") for _ in range(2))
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    assert not first.acquire(timeout_s=0.05)
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_turn_is_that_of_the_file_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pixelwise.db").touch()
    (tmp_path / "pixelwise.db").symlink_to(tmp_path / "data" / "pixelwise.db")
    by_link, by_name = CheckpointLock(tmp_path / "pixelwise.db"), CheckpointLock(tmp_path / "data" / "pixelwise.db")
    assert by_link.acquire()
    assert not by_name.acquire()
    by_link.release()


def test_turn_ends_with_the_process_that_is_killed(tmp_path: Path) -> None:
    database = tmp_path / "pixelwise.db"
    with subprocess.Popen(
        [sys.executable, "-c", HAS_THE_TURN, str(database)],
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


def test_log_does_not_grow_while_the_other_process_is_idle(sqlite_url: str, tmp_path: Path) -> None:
    log = tmp_path / "pixelwise.db-wal"

    def add(session: Session) -> None:
        session.add_all(a_prediction(notes="n" * 900) for _ in range(100))

    idle, busy = Database(sqlite_url), Database(sqlite_url)
    for database in (idle, busy):
        asyncio.run(database.write(add))
    for _ in range(100):
        asyncio.run(busy.write(add))
    # 1000 pages of 4 KiB, and what one transaction adds to them.
    assert log.stat().st_size < 6 * 1024 * 1024
    busy.close()
    idle.close()
    assert [path.name for path in tmp_path.iterdir()] == ["pixelwise.db"]


def pages_moved(trace: str, database: Path) -> tuple[int, int]:
    """How many turns there were, and how many pages were written to the file; fail for one written out of turn."""
    holder, turns, pages = None, 0, 0
    for thread, call, file, rest in CALL.findall(trace):
        if call in ("flock", "") and rest.endswith("= 0"):
            assert holder is None, "two have the turn"
            holder, turns = thread, turns + 1
        elif call == "close" and file == str(database.parent) and thread == holder:
            holder = None
        elif call == "pwrite64" and file == str(database):
            assert thread == holder, "whose turn it is not writes to the file"
            pages += 1
    return turns, pages


def test_nobody_writes_to_the_file_but_the_one_process_whose_turn_it_is(sqlite_url: str, tmp_path: Path) -> None:
    trace, folder = tmp_path / "trace", tmp_path.resolve()
    # Turning the log on writes to the file, too, which is locked meanwhile.
    execute(sqlite_url, "PRAGMA journal_mode=WAL")
    with serving(sqlite_url, tmp_path, tracer=strace(trace, "flock", "close", "pwrite64"), workers=2) as service:
        with Load(service.port, 16) as load:
            load.wait_for(1000)
        service.stop()
    turns, pages = pages_moved(trace.read_text(), folder / "pixelwise.db")
    assert turns > 10
    assert pages > 100
    assert missing(load.acknowledged, sqlite_url) == []
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
