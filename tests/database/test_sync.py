"""Each row is synced before its answer begins, as strace and PostgreSQL report."""

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import psycopg
from sqlalchemy import make_url

from tests.support.service import LOOK, assert_outcome_unknown, rows
from tests.support.service_process import Service, drawing, serving
from tests.support.strace import failing_syncs, strace
from tests.support.waiting import wait_until

REQUESTS = 50
CALLS = ("fsync", "fdatasync", "pwrite64", "write", "writev", "sendto", "sendmsg")

# The service with a setting that loses the last rows in a power cut.
WITH_SYNCHRONOUS_NORMAL = """
import uvicorn
from app.database.sqlite import engine
weaker = tuple(pragma.replace("synchronous=FULL", "synchronous=NORMAL") for pragma in engine.WRITER_PRAGMAS)
assert weaker != engine.WRITER_PRAGMAS
engine.WRITER_PRAGMAS = weaker
uvicorn.main()
"""

# A line of `strace -f -y`: the begin of a call, perhaps with its end, or the end of an earlier call.
CALL = re.compile(r"^(\d+) +(?:(\w+)\(\d+<([^>]+)>|<\.\.\. \w+ resumed>)(.*)$", re.MULTILINE)


def classify_one_after_another(service: Service) -> None:
    random = Random(0)
    with service.client() as client:
        for _ in range(REQUESTS):
            assert client.classify(drawing(random)).status_code == 200


def synced_answers(trace: str, log: Path) -> list[bool]:
    """Return for each 200 whether the WAL was synced since the last one and not written to afterwards."""
    answers = []
    synced = False
    under_way: dict[str, tuple[str, str]] = {}
    for thread, call, file, rest in CALL.findall(trace):
        begins, ends = bool(call), not rest.endswith("<unfinished ...>")
        if not ends:
            under_way[thread] = call, file
        elif not begins:
            call, file = under_way.pop(thread)
        if begins and '"HTTP/1.1 200' in rest:
            answers.append(synced)
            synced = False
        if file == str(log):
            if begins and call == "pwrite64":
                synced = False
            elif ends and call in ("fsync", "fdatasync"):
                synced = rest.endswith("= 0")
    return answers


def answers_under_strace(database_url: str, folder: Path, uvicorn: Sequence[str]) -> list[bool]:
    trace = folder / "trace"
    with serving(database_url, folder, tracer=strace(trace, *CALLS), uvicorn=uvicorn) as service:
        classify_one_after_another(service)
        service.stop()
    last_line = re.compile(rf"^{service.process.pid} +\+\+\+ killed", re.MULTILINE)
    wait_until(lambda: last_line.search(trace.read_text()), "strace has written everything down")
    answers = synced_answers(trace.read_text(), folder.resolve() / "pixelwise.db-wal")
    assert len(answers) == REQUESTS
    return answers


def test_sqlite_syncs_its_wal_before_each_answer(sqlite_url: str, tmp_path: Path) -> None:
    assert all(answers_under_strace(sqlite_url, tmp_path, ["-m", "uvicorn"]))


def test_weaker_setting_is_detected(sqlite_url: str, tmp_path: Path) -> None:
    answers = answers_under_strace(sqlite_url, tmp_path, ["-c", WITH_SYNCHRONOUS_NORMAL])
    # The header of an empty WAL is always synced.
    assert not any(answers[1:])


def test_postgresql_flushes_its_wal_before_each_answer_despite_its_default(postgres_url: str, tmp_path: Path) -> None:
    random = Random(0)
    flushed = 0
    with psycopg.connect(postgres_url, autocommit=True) as database:
        database.execute(f"ALTER DATABASE {make_url(postgres_url).database} SET synchronous_commit = off")
        with serving(postgres_url, tmp_path) as service, service.client() as client:
            for _ in range(REQUESTS):
                before = database.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
                assert client.classify(drawing(random)).status_code == 200
                after = database.execute("SELECT pg_current_wal_flush_lsn() > %s", before).fetchone()
                flushed += after == (True,)
    assert flushed == REQUESTS


def test_failed_sync_reports_unknown_outcome(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        with service.client() as client:
            assert client.classify(drawing(Random(0))).status_code == 200
            with failing_syncs(service.process.pid):
                assert_outcome_unknown(client.classify(drawing(Random(1))), LOOK)
            assert client.classify(drawing(Random(2))).status_code == 200
        service.kill()
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
