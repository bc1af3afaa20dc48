"""Revision 0011 fills the queue in batches, beside a running service."""

from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from tests.support.databases import migrate
from tests.support.review_rows import add_drawings
from tests.support.service import rows
from tests.support.sql_statements import Statement, before_each
from tests.support.waiting import wait_until

BATCH = 10_000
LAST = 2 * BATCH + 1
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def many_drawings(empty_postgres_url: str) -> str:
    """A database at revision 0010 with three batches of predictions, each with a drawing for the queue."""
    migrate(empty_postgres_url)
    migrate(empty_postgres_url, "downgrade", "0010")
    with psycopg.connect(empty_postgres_url) as database:
        database.execute(
            "INSERT INTO predictions (id, prediction, confidence, model_version, created_at)"
            " SELECT id * 2, '7', 0.5, 'v1', now() FROM generate_series(1, %s) AS id",
            [LAST],
        )
    add_drawings(empty_postgres_url, {1: 0.5, BATCH * 2 + 1: 0.25, LAST * 2 + 1: 0.75})
    return empty_postgres_url


def count_queued(url: str) -> int:
    return int(rows(url, "SELECT count(*) AS n FROM review_queue")[0]["n"])


def test_queue_is_committed_batch_by_batch(many_drawings: str) -> None:
    committed: list[int] = []

    def count(statement: Statement) -> None:
        if statement.text.strip().startswith("INSERT INTO review_queue"):
            committed.append(count_queued(many_drawings))

    with before_each(count):
        migrate(many_drawings, "upgrade", "0011")
    assert committed == [0, 1, 2]
    assert count_queued(many_drawings) == 3


def test_drawing_that_is_deleted_while_it_is_queued_does_not_stop_the_upgrade(many_drawings: str) -> None:
    waiting: list[Future[None]] = []
    with psycopg.connect(many_drawings) as client, ThreadPoolExecutor(1) as threads:

        def commit() -> None:
            wait_until(lambda: bool(rows(many_drawings, WAITING)), "a statement waits for a lock")
            client.commit()

        def delete(statement: Statement) -> None:
            if "FOR KEY SHARE" in statement.text and not waiting:
                client.execute("DELETE FROM predictions WHERE id = 1")
                waiting.append(threads.submit(commit))

        with before_each(delete):
            migrate(many_drawings, "upgrade", "0011")
    assert rows(many_drawings, "SELECT min(prediction_id) AS id FROM review_queue") == [{"id": BATCH * 2 + 1}]
    assert rows(many_drawings, "SELECT version_num FROM alembic_version") == [{"version_num": "0011"}]
