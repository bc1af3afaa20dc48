"""Failed migrations are rolled back and can run again."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from tests.support.databases import migrate
from tests.support.old_databases import INDEXES, TRIGGERS, VIEWS, everything, execute, make_v0_5, rows
from tests.support.project_copy import PROJECT
from tests.support.sql_statements import Statement, before_each

pytestmark = pytest.mark.slow


class InjectedFailure(Exception):
    """Raised by the tests in place of a statement."""


# Before these statements a migration only looks what there is to do.
LOCKS = ("BEGIN IMMEDIATE", "pg_try_advisory_xact_lock")
# After these statements a failure leaves the same as before them.
CHANGE_NOTHING = ("SELECT", "PRAGMA", "SET LOCAL")
# Each failure repeats the statements before it, so migrations of all revisions fail at some of them only.
STRIDE = 11
REVISIONS = sorted(path.name[:4] for path in (PROJECT / "alembic/versions").glob("[0-9]*.py"))


@contextmanager
def failure_at(step: int) -> Iterator[None]:
    """Fail the given statement: the first is the one that takes the lock, each further one comes after a change."""
    seen, changed = 0, False
    engine: sa.Engine | None = None

    def count(statement: Statement) -> None:
        nonlocal seen, changed, engine
        # Predictions are counted after the migration, by an engine of the service.
        if engine not in (None, statement.engine):
            return
        if not seen and any(lock in statement.text for lock in LOCKS):
            engine = statement.engine
            seen = 1
        seen += changed
        if seen == step:
            raise InjectedFailure
        changed = seen > 0 and not statement.text.lstrip().startswith(CHANGE_NOTHING)

    with before_each(count):
        yield


def assert_leaves_nothing_wherever_it_fails(url: str, *arguments: str, every: int = 1) -> int:
    """Fail the migration at each of its statements in order, or at every nth; return how many failed."""
    before = everything(url)
    step, done = 0, False
    while not done:
        step += every
        try:
            with failure_at(step):
                migrate(url, *arguments)
            done = True
        except InjectedFailure:
            assert everything(url) == before, f"statement {step} left something behind"
    # Fewer statements would mean that the failures hit something else.
    assert step > 5
    assert everything(url) != before
    return step // every - 1


def test_sqlite_upgrade_is_atomic(sqlite_url_of_v0_5: str) -> None:
    assert assert_leaves_nothing_wherever_it_fails(sqlite_url_of_v0_5, "upgrade", "head", every=STRIDE) > 8


def test_sqlite_downgrade_is_atomic(sqlite_url_of_v0_5: str) -> None:
    migrate(sqlite_url_of_v0_5)
    assert assert_leaves_nothing_wherever_it_fails(sqlite_url_of_v0_5, "downgrade", "0001", every=STRIDE) > 5


def test_each_sqlite_revision_is_atomic(sqlite_url_of_v0_5: str) -> None:
    for revision in REVISIONS:
        assert_leaves_nothing_wherever_it_fails(sqlite_url_of_v0_5, "upgrade", revision)
    for revision in reversed(REVISIONS[:-1]):
        assert_leaves_nothing_wherever_it_fails(sqlite_url_of_v0_5, "downgrade", revision)


def test_postgresql_upgrades_are_atomic_except_those_that_commit_midway(empty_postgres_url: str) -> None:
    make_v0_5(empty_postgres_url)
    for revision in ("0001", "0002", "0003"):
        assert_leaves_nothing_wherever_it_fails(empty_postgres_url, "upgrade", revision)
    for before, revision in (("0004", "0005"), ("0007", "0008"), ("0008", "0009"), ("0012", "0013")):
        migrate(empty_postgres_url, "upgrade", before)
        assert_leaves_nothing_wherever_it_fails(empty_postgres_url, "upgrade", revision)


def test_postgresql_downgrades_are_atomic(empty_postgres_url: str) -> None:
    make_v0_5(empty_postgres_url)
    migrate(empty_postgres_url, "upgrade", "0015")
    for revision in ("0014", "0013", "0012", "0011"):
        assert_leaves_nothing_wherever_it_fails(empty_postgres_url, "downgrade", revision)
    migrate(empty_postgres_url, "downgrade", "0009")
    for revision in ("0008", "0007", "0006"):
        assert_leaves_nothing_wherever_it_fails(empty_postgres_url, "downgrade", revision)
    migrate(empty_postgres_url, "downgrade", "0005")
    for revision in ("0004", "0003", "0002", "0001"):
        assert_leaves_nothing_wherever_it_fails(empty_postgres_url, "downgrade", revision)


@pytest.mark.parametrize(("start", "end"), [("0006", "0005"), ("0010", "0009"), ("0011", "0010")])
def test_failed_postgresql_downgrade_has_dropped_nothing(empty_postgres_url: str, start: str, end: str) -> None:
    url = empty_postgres_url
    make_v0_5(url)
    migrate(url, "upgrade", start)
    before = {*rows(url, TRIGGERS), *rows(url, INDEXES)}
    step, done = 0, False
    while not done:
        step += 1
        try:
            with failure_at(step):
                migrate(url, "downgrade", end)
            done = True
        except InjectedFailure:
            assert before <= {*rows(url, TRIGGERS), *rows(url, INDEXES)}, f"statement {step}"
    assert not before <= {*rows(url, TRIGGERS), *rows(url, INDEXES)}
    assert step > 3


QUEUE_DIFFERENCES = "SELECT * FROM review_queue EXCEPT SELECT * FROM unlabelled_drawings"
LISTING_DIFFERENCES = (
    "SELECT prediction_id, label, prediction FROM labelled_predictions"
    " EXCEPT SELECT prediction_id, label, prediction FROM labels JOIN predictions ON predictions.id = prediction_id"
)


@pytest.mark.parametrize(
    ("start", "end", "differences", "changes"),
    [
        # While the triggers of one table are there and not yet those of the other.
        (
            "0010",
            "0011",
            QUEUE_DIFFERENCES,
            (
                "UPDATE predictions SET not_a_digit = 0.9",
                "INSERT INTO labels (prediction_id, label) SELECT id, 'none' FROM predictions",
            ),
        ),
        (
            "0013",
            "0014",
            LISTING_DIFFERENCES,
            (
                "INSERT INTO labels (prediction_id, label) SELECT id, '7' FROM predictions",
                "UPDATE predictions SET prediction = '3'",
            ),
        ),
    ],
)
def test_rows_changed_after_a_failed_postgresql_upgrade_are_listed_once_it_is_complete(
    empty_postgres_url: str, start: str, end: str, differences: str, changes: tuple[str, ...]
) -> None:
    url = empty_postgres_url
    make_v0_5(url)
    migrate(url, "upgrade", start)
    step, done = 0, False
    while not done:
        step += 3
        try:
            with failure_at(step):
                migrate(url, "upgrade", end)
            done = True
        except InjectedFailure:
            execute(url, *changes)
            migrate(url, "upgrade", end)
        assert rows(url, differences) == [], f"statement {step}"
        migrate(url, "downgrade", start)
        execute(url, "DELETE FROM labels", "UPDATE predictions SET prediction = '7', not_a_digit = NULL")
    assert step > 10


def with_views(url: str) -> object:
    return everything(url), rows(url, VIEWS)


INVALID_INDEXES = "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE NOT indisvalid"


@pytest.mark.parametrize(
    ("start", "end", "commits", "every"),
    [
        ("0003", "0004", 10, 1),
        ("0005", "0006", 5, 1),
        ("0006", "0005", 3, 1),
        ("0006", "0007", 4, 1),
        # Alike for each of twelve triggers.
        ("0010", "0011", 3, 3),
        ("0011", "0010", 0, 1),
        ("0011", "0012", 1, 1),
        # Alike for each of six triggers.
        ("0013", "0014", 3, 3),
        ("0014", "0015", 1, 1),
        ("0015", "0016", 2, 1),
    ],
)
def test_postgresql_revision_that_commits_midway_resumes_after_a_failure(
    empty_postgres_url: str, start: str, end: str, commits: int, every: int
) -> None:
    url = empty_postgres_url
    make_v0_5(url)
    migrate(url, "upgrade", "0003")
    execute(url, "INSERT INTO drawings SELECT id, decode(repeat('00', 784), 'hex'), '[0.5, 0.25]' FROM predictions")
    there, back = ("upgrade", "downgrade") if start < end else ("downgrade", "upgrade")
    migrate(url, "upgrade", start)
    migrate(url, there, end)
    finished = with_views(url)
    step, done, left_behind = 0, False, 0
    while not done:
        step += every
        migrate(url, back, start)
        before = with_views(url)
        try:
            with failure_at(step):
                migrate(url, there, end)
            done = True
        except InjectedFailure:
            left_behind += with_views(url) != before
            migrate(url, there, end)
        assert with_views(url) == finished, f"statement {step}"
    assert left_behind > commits


@pytest.mark.parametrize(
    ("revision", "index"), [("0003", "ix_predictions_confidence"), ("0005", "ix_predictions_low_confidence")]
)
def test_invalid_postgresql_index_is_rebuilt(empty_postgres_url: str, revision: str, index: str) -> None:
    url = empty_postgres_url
    make_v0_5(url)
    migrate(url, "upgrade", revision)
    with psycopg.connect(url) as reader, psycopg.connect(url, autocommit=True) as maker:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM predictions")
        maker.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            maker.execute(f"CREATE INDEX CONCURRENTLY {index} ON predictions (confidence)")
    assert rows(url, INVALID_INDEXES) == [(index,)]
    migrate(url)
    assert rows(url, INVALID_INDEXES) == []
    migrate(url, "check")


@pytest.fixture
def sqlite_url_of_v0_5(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of version 0.5 with two rows."""
    url = f"sqlite:///{tmp_path_factory.mktemp('v0_5') / 'pixelwise.db'}"
    make_v0_5(url)
    return url
