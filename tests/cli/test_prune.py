"""`python -m app prune`."""

import json
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.cli.exit_codes import ExitCode
from tests.support.command_line import done, in_terminal, refused, run_process
from tests.support.service import connected, execute, rows, stored
from tests.support.service_process import Load, missing, serving
from tests.support.stored_rows import Row, random_rows, store
from tests.support.waiting import wait_until

NOW = datetime.now(UTC)


def aged(count: int) -> list[Row]:
    """Rows a day apart, the newest from today; every third is labelled, the fifth has no time."""
    return [
        row._replace(
            created_at=None if row.id == 5 else NOW - timedelta(days=count - row.id, hours=1),
            labels=("7",) if row.id % 3 == 0 else (),
        )
        for row in random_rows(count)
    ]


def many_old(count: int) -> list[Row]:
    """Rows of a hundred days ago without labels; every hundredth is the same but for its id."""
    some = random_rows(100)
    long_ago = NOW - timedelta(days=100)
    return [some[id_ % 100]._replace(id=id_, labels=(), created_at=long_ago) for id_ in range(1, count + 1)]


def ids(database_url: str) -> list[int]:
    return [row["id"] for row in rows(database_url, "SELECT id FROM predictions ORDER BY id")]


def old(stored_rows: list[Row], days: int) -> list[Row]:
    return [row for row in stored_rows if row.created_at is not None and row.created_at < NOW - timedelta(days=days)]


@pytest.mark.parametrize("labelled", [False, True])
def test_old_predictions_are_deleted_with_their_drawings_and_labels(
    configured_database_url: str, labelled: bool
) -> None:
    stored_rows = aged(40)
    store(configured_database_url, stored_rows, drawings=True)
    deleted_ids = {row.id for row in old(stored_rows, 10) if labelled or not row.labels}
    pruned = json.loads(done("prune", "--older-than", "10d", "--yes", "--json", *(["--labelled"] if labelled else [])))
    kept = sum(1 for row in old(stored_rows, 10) if row.labels and not labelled)
    assert (pruned["predictions"], pruned["labelled_kept"]) == (len(deleted_ids), kept)
    assert ids(configured_database_url) == [row.id for row in stored_rows if row.id not in deleted_ids]
    assert stored(configured_database_url) == (
        len(stored_rows) - len(deleted_ids),
        len(stored_rows) - len(deleted_ids),
    )
    left = rows(configured_database_url, "SELECT DISTINCT prediction_id AS id FROM labels ORDER BY id")
    assert [row["id"] for row in left] == [row.id for row in stored_rows if row.labels and row.id not in deleted_ids]


def test_prune_without_yes_only_counts(configured_database_url: str) -> None:
    stored_rows = aged(40)
    store(configured_database_url, stored_rows, drawings=True)
    counted = json.loads(done("prune", "--older-than", "10d", "--json"))
    assert counted["dry_run"]
    assert counted["predictions"] == len([row for row in old(stored_rows, 10) if not row.labels])
    assert len(ids(configured_database_url)) == len(stored_rows)
    deleted = json.loads(done("prune", "--older-than", "10d", "--yes", "--json"))
    assert deleted["predictions"] == counted["predictions"]


def test_expired_idempotency_keys_are_deleted(configured_database_url: str) -> None:
    for number, age in enumerate((0, 1, 23, 25, 300)):
        created_at = f"{NOW - timedelta(hours=age):%Y-%m-%d %H:%M:%S.%f}"
        if configured_database_url.startswith("postgres"):
            created_at += "+00"
        execute(
            configured_database_url,
            f"INSERT INTO idempotency_keys VALUES ('anna', 'key {number}', 'x', '[]', '{created_at}')",
        )
    assert json.loads(done("prune", "--older-than", "1h", "--yes", "--json"))["idempotency_keys"] == 2
    assert rows(configured_database_url, "SELECT count(*) AS n FROM idempotency_keys") == [{"n": 3}]


def test_sqlite_file_becomes_smaller(configured_sqlite: str, tmp_path: Path) -> None:
    database = tmp_path / "pixelwise.db"
    stored_rows = many_old(3000)
    store(configured_sqlite, stored_rows, drawings=True)
    before = database.stat().st_size
    pruned = json.loads(done("prune", "--older-than", "10d", "--yes", "--json"))
    assert pruned["released_bytes"] > before / 2
    assert database.stat().st_size < before / 2
    assert pruned["free_bytes"] == 0
    assert rows(configured_sqlite, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_file_without_auto_vacuum_keeps_its_size_and_free_bytes_are_reported(
    configured_sqlite: str, tmp_path: Path
) -> None:
    # As older versions created the file.
    with closing(sqlite3.connect(tmp_path / "pixelwise.db", isolation_level=None)) as database:
        database.execute("PRAGMA auto_vacuum=NONE")
        database.execute("VACUUM")
    stored_rows = many_old(2000)
    store(configured_sqlite, stored_rows, drawings=True)
    pruned = json.loads(done("prune", "--older-than", "10d", "--yes", "--json"))
    assert (pruned["predictions"], pruned["released_bytes"]) == (2000, 0)
    assert pruned["free_bytes"] > 1_000_000


@pytest.mark.slow
def test_service_answers_during_prune_and_loses_nothing(configured_database_url: str, tmp_path: Path) -> None:
    stored_rows = many_old(3000)
    store(configured_database_url, stored_rows, drawings=True)
    if configured_database_url.startswith("postgres"):
        execute(configured_database_url, "ALTER SEQUENCE predictions_id_seq RESTART 3001")
    with serving(configured_database_url, tmp_path) as service:
        with Load(service.port, clients=4) as load:
            load.wait_for(20)
            answered = len(load.answers)
            assert json.loads(done("prune", "--older-than", "10d", "--yes", "--json"))["predictions"] == 3000
            assert len(load.answers) > answered
            load.wait_for(20)
        service.stop()
    assert load.refused == []
    assert missing(load.acknowledged, configured_database_url) == []
    assert ids(configured_database_url) == sorted(load.acknowledged)


@pytest.mark.slow
def test_row_labelled_during_prune_is_kept(sqlite_url: str, tmp_path: Path) -> None:
    stored_rows = many_old(8000)
    store(sqlite_url, stored_rows)
    arguments = ("prune", "--older-than", "10d", "--yes")
    newest = len(stored_rows)
    with connected(sqlite_url) as other:
        # Prune finds the old rows and waits for the lock to delete them.
        other.execute(text("BEGIN IMMEDIATE"))
        with in_terminal(tmp_path, *arguments, settings={"DATABASE_URL": sqlite_url}) as terminal:
            terminal.wait_for("Deleting")
            other.execute(text(f"INSERT INTO labels (prediction_id, label) VALUES ({newest}, '7')"))
            other.commit()
            assert terminal.end() == 0
    assert ids(sqlite_url) == [newest]


@pytest.mark.slow
def test_interrupted_prune_leaves_a_valid_database_and_can_be_repeated(sqlite_url: str, tmp_path: Path) -> None:
    stored_rows = many_old(8000)
    store(sqlite_url, stored_rows)
    arguments = ("prune", "--older-than", "10d", "--yes")
    with in_terminal(tmp_path, *arguments, settings={"DATABASE_URL": sqlite_url}) as terminal:
        wait_until(lambda: len(ids(sqlite_url)) < len(stored_rows), "some are deleted")
        assert terminal.interrupt() in (ExitCode.INTERRUPTED, -signal.SIGINT)
    assert 0 < len(ids(sqlite_url)) < len(stored_rows)
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    with in_terminal(tmp_path, *arguments, settings={"DATABASE_URL": sqlite_url}) as terminal:
        assert terminal.end() == 0
    assert ids(sqlite_url) == []


@pytest.mark.parametrize("time", ["strftime('%s', 'now')", "''", "'2026'", "1e12", "'yesterday'"])
def test_row_with_an_unreadable_time_is_kept(configured_sqlite: str, time: str) -> None:
    store(configured_sqlite, many_old(3))
    execute(configured_sqlite, f"UPDATE predictions SET created_at = {time} WHERE id = 2")
    assert json.loads(done("prune", "--older-than", "10d", "--yes", "--json"))["predictions"] == 2
    assert ids(configured_sqlite) == [2]


def test_uncommitted_label_keeps_its_row(postgres_url: str, tmp_path: Path) -> None:
    store(postgres_url, many_old(9))
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as executor:
        with connected(postgres_url) as labelling:
            labelling.execute(text("SELECT id FROM predictions WHERE id = 5 FOR UPDATE"))
            labelling.execute(text("INSERT INTO labels (prediction_id, label) VALUES (5, '7')"))
            pruning = executor.submit(
                run_process, tmp_path, "prune", "--older-than", "10d", "--yes", DATABASE_URL=postgres_url
            )
            wait_until(lambda: rows(postgres_url, waiting), "prune waits for the row")
        assert pruning.result().status == ExitCode.SUCCESS
    assert ids(postgres_url) == [5]


@pytest.mark.usefixtures("configured_sqlite")
@pytest.mark.parametrize("age", ["90", "0d", "-1d", "d", "90 days", "99999d", "1.5d"])
def test_invalid_age_is_refused(age: str) -> None:
    assert "--older-than" in refused(ExitCode.USAGE_ERROR, "prune", f"--older-than={age}")
