"""The table of labelled predictions follows each change of the rows."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.database import Database
from app.models import Label, LabelledPrediction, Prediction, UnlistedPredictions
from app.repository import labelled_predictions, steps
from app.services.counts import complete_labelled_predictions
from tests.support.databases import migrate
from tests.support.service import execute, rows
from tests.support.stored_rows import random_rows, store

COLUMNS = ("prediction", "model_version", "confidence", "not_a_digit")
SIZE = 100

CHANGES = {
    "all labels are deleted": "DELETE FROM labels",
    "a label of each prediction is deleted": (
        "DELETE FROM labels WHERE id IN (SELECT max(id) FROM labels GROUP BY prediction_id)"
    ),
    "labels move to another prediction": "UPDATE labels SET prediction_id = 1 WHERE prediction_id % 3 = 1",
    "labels are corrected": "UPDATE labels SET label = '5'",
    "earlier labels become later ones": f"UPDATE labels SET id = 10 * {SIZE} - id",
    "labels are added": (
        "INSERT INTO labels (prediction_id, label) SELECT id, 'none' FROM predictions WHERE id % 2 = 0"
    ),
    "predictions are changed": (
        "UPDATE predictions SET prediction = '3', model_version = 'v9', confidence = 0.5, not_a_digit = 0.25"
    ),
    "not_a_digit is lost": "UPDATE predictions SET not_a_digit = NULL",
    "predictions are deleted": "DELETE FROM predictions WHERE id % 3 = 1",
}


def expected(session: Session) -> set[tuple[Any, ...]]:
    """What belongs into the table, by looking at each label."""
    labels = {label.prediction_id: label.label for label in session.scalars(sa.select(Label).order_by(Label.id))}
    predictions = session.execute(sa.select(Prediction.id, *(getattr(Prediction, name) for name in COLUMNS)))
    return {(id_, labels[id_], *values) for id_, *values in predictions if id_ in labels}


def actual(session: Session) -> set[tuple[Any, ...]]:
    listed = LabelledPrediction
    columns = (listed.prediction_id, listed.label, *(getattr(listed, name) for name in COLUMNS))
    return {tuple(row) for row in session.execute(sa.select(*columns))}


def test_table_follows_each_change(database: Database, database_url: str) -> None:
    store(database_url, random_rows(SIZE))
    with database.transaction() as session:
        wrong = {"rows are added": actual(session) ^ expected(session)}
        for name, change in CHANGES.items():
            before = expected(session)
            with session.begin_nested() as savepoint:
                session.execute(sa.text(change))
                wrong[name] = actual(session) ^ expected(session)
                assert expected(session) != before, name
                savepoint.rollback()
    assert {name: rows for name, rows in wrong.items() if rows} == {}


def test_table_is_emptied_with_the_labels(truncated_postgres_url: str) -> None:
    store(truncated_postgres_url, random_rows(10))
    execute(truncated_postgres_url, "TRUNCATE predictions CASCADE")
    assert rows(truncated_postgres_url, "SELECT count(*) AS left_over FROM labelled_predictions") == [{"left_over": 0}]


def test_labels_from_before_are_listed_in_steps(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(database_url, random_rows(SIZE))
    with database.transaction() as session:
        session.execute(sa.delete(LabelledPrediction))
        session.add(UnlistedPredictions(first=1, last=SIZE))
    # Labelled after the upgrade, and therefore listed by a trigger.
    execute(database_url, "INSERT INTO labels (prediction_id, label) SELECT id, '3' FROM predictions WHERE id % 9 = 0")
    monkeypatch.setattr(steps, "STEP_SIZE", 10)
    shown: list[int] = []
    complete_labelled_predictions(database, lambda _title, done, _total: shown.append(done))
    assert shown == sorted(set(shown))
    assert len(shown) > 5
    with database.snapshot() as session:
        assert labelled_predictions.find_unlisted(session) is None
        assert actual(session) == expected(session)


def test_label_of_the_largest_id_is_listed(sqlite_url: str) -> None:
    last = 2**63 - 1
    execute(
        sqlite_url,
        f"INSERT INTO predictions (id, prediction, confidence, model_version) VALUES ({last}, '7', 0.9, 'v1')",
        f"INSERT INTO labels (prediction_id, label) VALUES ({last}, '7')",
        "DELETE FROM labelled_predictions",
        f"INSERT INTO unlisted_predictions VALUES (1, {last})",
    )
    database = Database(sqlite_url)
    complete_labelled_predictions(database, lambda *_: None)
    with database.snapshot() as session:
        assert actual(session) == expected(session) != []
    database.close()


@pytest.mark.slow
def test_upgrade_lists_the_labels_of_the_release_before(empty_database_url: str) -> None:
    url = empty_database_url
    migrate(url)
    migrate(url, "downgrade", "0013")
    store(url, random_rows(SIZE))
    last = "INSERT INTO predictions (id, prediction, confidence, model_version) VALUES (50000, '7', 0.5, 'v1')"
    execute(url, last)
    execute(url, "INSERT INTO labels (prediction_id, label) VALUES (50000, '1')")
    migrate(url)
    database = Database(url)
    try:
        with database.snapshot() as session:
            assert actual(session) == expected(session)
            assert len(actual(session)) > 10
    finally:
        database.close()
