"""The counts equal the rows after any change, by the service or by hand."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.database import Database
from app.models import Label, Prediction, Review, ShadowPrediction
from app.progress import no_progress
from app.repository import counts, steps
from app.services.counts import check_counts, complete_counts, rebuild_counts
from tests.support.databases import migrate
from tests.support.service import connected, execute, rows
from tests.support.waiting import PATIENCE_S, wait_until

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
LABELS = ("0", "1", "5", "none")


@pytest.fixture
def random() -> Random:
    return Random(20)


def add_predictions(session: Session, random: Random, size: int) -> None:
    for _ in range(size):
        time = BEGIN + timedelta(hours=random.randrange(24 * 20), minutes=59, seconds=59, microseconds=999_999)
        session.add(
            Prediction(
                prediction=str(random.randrange(10)),
                confidence=random.choice((1.0, 0.9, 0.5, 0.3, round(random.random(), 6))),
                model_version=random.choice("ab"),
                created_at=random.choice((time, time, time, None)),
                not_a_digit=random.choice((None, 0.1, 0.6)),
            )
        )
    session.flush()


def add_others(session: Session, random: Random, size: int) -> None:
    """Add labels, several for some predictions, and reviews and shadow predictions for others."""
    ids = list(session.scalars(sa.select(Prediction.id)))
    session.add_all(
        Label(prediction_id=random.choice(ids), label=random.choice(LABELS), source="anna") for _ in range(size)
    )
    unreviewed = set(ids) - set(session.scalars(sa.select(Review.prediction_id)))
    session.add_all(
        Review(prediction_id=id_, sampled=random.random() < 0.5)
        for id_ in random.sample(sorted(unreviewed), min(size, len(unreviewed)))
    )
    answered = set(session.scalars(sa.select(ShadowPrediction.prediction_id)))
    session.add_all(
        ShadowPrediction(
            prediction_id=id_,
            model_sha256=random.choice("xy"),
            model_version="next",
            prediction=str(random.randrange(10)),
            confidence=round(random.random(), 6),
            not_a_digit=random.choice((None, 0.1, 0.6)),
        )
        for id_ in random.sample(sorted(set(ids) - answered), size // 2)
    )
    session.flush()


CHANGES: dict[str, str] = {
    "some labels are deleted, several of a prediction": "DELETE FROM labels WHERE id % 3 = 1",
    "the newest label of each is deleted": (
        "DELETE FROM labels WHERE id IN (SELECT max(id) FROM labels GROUP BY prediction_id)"
    ),
    "an earlier label is changed": (
        "UPDATE labels SET label = '5' WHERE id IN (SELECT min(id) FROM labels GROUP BY prediction_id)"
    ),
    "labels are changed": "UPDATE labels SET label = '5' WHERE id % 2 = 1",
    "labels move to another prediction": (
        "UPDATE labels SET prediction_id = (SELECT max(id) FROM predictions) WHERE id % 5 = 1"
    ),
    "a label gets a lower id": "UPDATE labels SET id = -id WHERE id IN (SELECT max(id) FROM labels)",
    "samples are deleted": "DELETE FROM reviews WHERE prediction_id % 2 = 1",
    "samples are changed": "UPDATE reviews SET sampled = NOT sampled WHERE prediction_id % 3 = 1",
    "a version is renamed": "UPDATE predictions SET model_version = 'c' WHERE model_version = 'a'",
    "predictions are corrected": "UPDATE predictions SET prediction = '5', confidence = 0.25, not_a_digit = NULL",
    "predictions change what they say of non-digits": "UPDATE predictions SET not_a_digit = 0.7 WHERE id % 2 = 1",
    "predictions move in time": "UPDATE predictions SET created_at = '2026-01-01 00:00:00' WHERE id % 3 = 1",
    "predictions lose their time": "UPDATE predictions SET created_at = NULL WHERE id % 3 = 1",
    "shadow predictions are changed": "UPDATE shadow_predictions SET prediction = '5', confidence = 0.5",
    "shadow predictions no longer say": "UPDATE shadow_predictions SET not_a_digit = NULL WHERE prediction_id % 3 = 1",
    "shadow predictions are deleted": "DELETE FROM shadow_predictions WHERE prediction_id % 2 = 1",
    "some predictions are deleted": "DELETE FROM predictions WHERE id % 3 = 1",
    "all predictions are deleted": "DELETE FROM predictions",
}


def differences(session: Session) -> dict[str, int]:
    """Return how many groups differ from the rows, by table."""
    found = {table.__tablename__: counts.count_differences(session, table) for table in counts.COUNTS}
    return {name: size for name, size in found.items() if size}


def assert_equal_to_the_rows(database: Database) -> None:
    with database.snapshot() as session:
        assert differences(session) == {}


# The larger size is more than what triggers only note.
@pytest.mark.parametrize("size", [120, pytest.param(700, marks=pytest.mark.slow)])
def test_counts_equal_the_rows_after_each_change(database: Database, random: Random, size: int) -> None:
    with database.transaction() as session:
        add_predictions(session, random, size)
        add_others(session, random, size)
        wrong = {"rows are added": differences(session)}
        for name, change in CHANGES.items():
            with session.begin_nested() as savepoint:
                session.execute(sa.text(change))
                wrong[name] = differences(session)
                savepoint.rollback()
    assert {name: tables for name, tables in wrong.items() if tables} == {}


def test_counts_differ_without_their_triggers(sqlite_database: Database, sqlite_url: str, random: Random) -> None:
    execute(sqlite_url, "DROP TRIGGER note_prediction")
    with sqlite_database.transaction() as session:
        add_predictions(session, random, 10)
    assert check_counts(sqlite_database, no_progress) > 0
    rebuild_counts(sqlite_database, no_progress)
    assert check_counts(sqlite_database, no_progress) == 0


def test_text_that_is_not_a_time_is_counted_without_one(sqlite_database: Database, sqlite_url: str) -> None:
    for time in (
        "yesterday",
        "",
        "2026-11-20",
        "2026-11-20T10:59",
        "2026-02-30 10:00:00",
        "9999-99-99 00:00:00",
        "1.5",
    ):
        insert = "INSERT INTO predictions (prediction, confidence, model_version, created_at)"
        execute(sqlite_url, f"{insert} VALUES ('7', 0.5, 'v1', '{time}')")
    assert_equal_to_the_rows(sqlite_database)
    query = "SELECT DISTINCT start FROM v_prediction_counts WHERE period = 'hour' ORDER BY start"
    assert [row["start"][:13] for row in rows(sqlite_url, query)][:3] == [
        "0001-01-01 00",
        "2026-02-30 10",
        "2026-11-20 00",
    ]


def change_everything(session: Session, random: Random) -> None:
    add_predictions(session, random, 20)
    add_others(session, random, 30)
    for name in ("labels are changed", "samples are changed", "a version is renamed", "some predictions are deleted"):
        session.execute(sa.text(CHANGES[name]))


def test_rows_from_before_are_counted_while_rows_change(
    database: Database, random: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "STEP_SIZE", 40)
    with database.transaction() as session:
        add_predictions(session, random, 300)
        add_others(session, random, 100)
    with database.transaction() as session:
        counts.clear(session)
    taken, left = 0, True
    while left:
        with database.transaction() as session:
            left = counts.add_next(session) is not None
        taken += 1
        with database.transaction() as session:
            change_everything(session, random)
    assert taken > 5
    assert_equal_to_the_rows(database)


def test_upgrade_counts_the_rows_of_the_release_before(empty_database_url: str) -> None:
    migrate(empty_database_url, "upgrade", "0008")
    insert = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.75, 'v1')"
    execute(empty_database_url, *[insert] * 3, "INSERT INTO labels (prediction_id, label) VALUES (2, '7')")
    migrate(empty_database_url)
    query = "SELECT sum(size) AS size, sum(millionths) AS sum FROM v_prediction_counts WHERE period = 'day'"
    assert rows(empty_database_url, query) == [{"size": 3, "sum": 2_250_000}]
    assert rows(empty_database_url, "SELECT size FROM v_calibration_counts") == [{"size": 1}]
    assert rows(empty_database_url, "SELECT * FROM uncounted_predictions") == []


def test_upgrade_counts_what_the_labelled_predictions_said_of_non_digits(empty_database_url: str) -> None:
    migrate(empty_database_url, "upgrade", "0012")
    execute(
        empty_database_url,
        "INSERT INTO predictions (prediction, confidence, model_version, not_a_digit) VALUES ('7', 0.1, 'v2', 0.9)",
        "INSERT INTO labels (prediction_id, label) VALUES (1, 'none')",
        "INSERT INTO shadow_predictions VALUES (1, 'x', 'v3', '7', 0.1)",
    )
    migrate(empty_database_url)
    query = "SELECT sum(size) AS size, sum(told) AS told, sum(not_digits) AS not_digits FROM {}"
    labels = rows(empty_database_url, query.format("v_label_counts WHERE not_a_digit AND period = 'day'"))
    assert labels == [{"size": 1, "told": 1, "not_digits": 1}]
    assert rows(empty_database_url, query.format("v_shadow_counts")) == [{"size": 1, "told": 0, "not_digits": 0}]
    assert rows(empty_database_url, "SELECT * FROM uncounted_predictions") == []


def test_interrupted_counting_is_continued(database: Database, database_url: str, random: Random) -> None:
    with database.transaction() as session:
        add_predictions(session, random, 100)
    with database.transaction() as session:
        counts.clear(session)

    def interrupt(_step: str, done: int, _total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete_counts(database, interrupt)
    assert rows(database_url, "SELECT * FROM uncounted_predictions") != []
    migrate(database_url)
    assert rows(database_url, "SELECT * FROM uncounted_predictions") == []
    assert_equal_to_the_rows(database)


def test_second_of_two_labels_at_once_takes_the_place_of_the_first(postgres_url: str) -> None:
    execute(postgres_url, "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.5, 'v1')")
    insert = "INSERT INTO labels (prediction_id, label) VALUES (1, '{}')"
    with ThreadPoolExecutor(1) as threads:
        with connected(postgres_url) as first:
            first.execute(sa.text(insert.format("7")))
            second = threads.submit(execute, postgres_url, insert.format("1"))
            wait_until(lambda: waiting(postgres_url), "the second label waits for the first")
        second.result(PATIENCE_S)
    query = "SELECT correct, sum(size) AS size FROM v_calibration_counts GROUP BY correct ORDER BY correct"
    assert rows(postgres_url, query) == [{"correct": False, "size": 1}, {"correct": True, "size": 0}]


def waiting(postgres_url: str) -> bool:
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(rows(postgres_url, query))
