"""Revision 0011 fills the queue in batches, beside a running service."""

import psycopg
import pytest

from tests.support.databases import migrate
from tests.support.review_rows import add_drawings
from tests.support.service import rows
from tests.support.sql_statements import Statement, before_each

BATCH = 10_000
LAST = 2 * BATCH + 1


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


def is_batch(statement: Statement) -> bool:
    return statement.text.strip().startswith("INSERT INTO review_queue")


def count_queued(url: str) -> int:
    return int(rows(url, "SELECT count(*) AS n FROM review_queue")[0]["n"])


def test_queue_is_committed_batch_by_batch(many_drawings: str) -> None:
    committed: list[int] = []

    def count(statement: Statement) -> None:
        if is_batch(statement):
            committed.append(count_queued(many_drawings))

    with before_each(count):
        migrate(many_drawings, "upgrade", "0011")
    assert committed == [0, 1, 2]
    assert count_queued(many_drawings) == 3


def test_drawing_cannot_be_deleted_between_its_queueing_and_the_commit(many_drawings: str) -> None:
    refused: list[int] = []

    def delete(statement: Statement) -> None:
        if is_batch(statement) and not refused:
            impatient = psycopg.connect(many_drawings, options="-c lock_timeout=100ms")
            with impatient as client, pytest.raises(psycopg.errors.LockNotAvailable):
                client.execute("DELETE FROM predictions WHERE id = 1")
            refused.append(1)

    with before_each(delete):
        migrate(many_drawings, "upgrade", "0011")
    assert refused == [1]
    assert count_queued(many_drawings) == 3
