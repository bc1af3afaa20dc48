"""The queue of unlabelled drawings follows each change of the rows."""

from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.database import Database
from app.models import Drawing, Label, Prediction, QueuedDrawing, Review
from tests.support.databases import migrate
from tests.support.predictions import a_prediction
from tests.support.review_rows import add_drawings, add_labels
from tests.support.service import execute, rows
from tests.support.stored_rows import drawing_of

CHANGES = {
    "all labels are deleted": "DELETE FROM labels",
    "a label of each prediction is deleted": (
        "DELETE FROM labels WHERE id IN (SELECT max(id) FROM labels GROUP BY prediction_id)"
    ),
    "labels move to another prediction": "UPDATE labels SET prediction_id = 1 WHERE prediction_id % 3 = 1",
    "labels are corrected": "UPDATE labels SET label = '5'",
    "samples are deleted": "DELETE FROM reviews WHERE prediction_id % 2 = 1",
    "samples are changed": "UPDATE reviews SET sampled = NOT sampled",
    "margins are changed": "UPDATE drawings SET margin = 1 - margin",
    "margins are lost": "UPDATE drawings SET margin = NULL",
    "drawings are deleted": "DELETE FROM drawings WHERE prediction_id % 2 = 1",
    "not_a_digit is changed": "UPDATE predictions SET not_a_digit = 1 - not_a_digit",
    "not_a_digit is lost": "UPDATE predictions SET not_a_digit = NULL",
    "predictions are deleted": "DELETE FROM predictions WHERE id % 3 = 1",
}


def add_rows(session: Session, random: Random, size: int) -> None:
    ids = range(1, size + 1)
    plain = a_prediction()
    columns = {"prediction": plain.prediction, "confidence": plain.confidence, "model_version": plain.model_version}
    session.add_all(Prediction(id=id_, not_a_digit=random.choice((None, 0.5, 0.75)), **columns) for id_ in ids)
    session.flush()
    for id_ in ids:
        if random.random() < 0.9:
            session.add(Drawing(**{**drawing_of(id_), "margin": random.choice((None, 0.0, 0.25, 0.8, 0.9))}))
        if random.random() < 0.5:
            session.add(Review(prediction_id=id_, sampled=random.random() < 0.5))
        session.add_all(Label(prediction_id=id_, label="7", source="anna") for _ in range(random.choice((0, 0, 1, 2))))
    session.flush()


def expected(session: Session) -> set[tuple[str, float, int]]:
    """What belongs into the queue, by looking at each row."""
    labelled = set(session.scalars(sa.select(Label.prediction_id)))
    margins = session.execute(sa.select(Drawing.prediction_id, Drawing.margin)).tuples()
    no_digits = set(session.scalars(sa.select(Prediction.id).where(Prediction.not_a_digit > 0.5)))
    sampled = session.scalars(sa.select(Review.prediction_id).where(Review.sampled))
    small = {(margin, id_) for id_, margin in margins if margin is not None and margin <= 0.8}
    queued = {("margin", margin, id_) for margin, id_ in small if id_ not in no_digits}
    queued |= {("not_a_digit", -float(id_), id_) for id_ in no_digits}
    queued |= {("sample", 0.0, id_) for id_ in sampled}
    return {row for row in queued if row[-1] not in labelled}


def actual(session: Session) -> set[tuple[str, float, int]]:
    columns = (QueuedDrawing.queue, QueuedDrawing.priority, QueuedDrawing.prediction_id)
    return set(session.execute(sa.select(*columns)).tuples())


def test_queue_follows_each_change(database: Database) -> None:
    with database.transaction() as session:
        add_rows(session, Random(11), 100)
        assert {queue for queue, *_ in expected(session)} == {"margin", "not_a_digit", "sample"}
        wrong = {"rows are added": actual(session) ^ expected(session)}
        for name, change in CHANGES.items():
            before = expected(session)
            with session.begin_nested() as savepoint:
                session.execute(sa.text(change))
                wrong[name] = actual(session) ^ expected(session)
                assert name == "labels are corrected" or expected(session) != before, name
                savepoint.rollback()
    assert {name: rows for name, rows in wrong.items() if rows} == {}


def queued(database_url: str) -> list[tuple[str, int]]:
    found = rows(database_url, "SELECT queue, prediction_id FROM review_queue ORDER BY queue, priority")
    return [(row["queue"], row["prediction_id"]) for row in found]


@pytest.mark.slow
def test_upgrade_queues_the_drawings_of_the_release_before(empty_database_url: str) -> None:
    url = empty_database_url
    migrate(url)
    migrate(url, "downgrade", "0010")
    add_drawings(url, {1: 0.5, 2: 0.25, 3: 0.9, 4: 0.75}, not_a_digit={3: 0.75})
    add_labels(url, {4: "7"})
    migrate(url)
    assert queued(url) == [("margin", 2), ("margin", 1), ("not_a_digit", 3)]


@pytest.mark.slow
def test_only_digits_have_small_margins_after_an_upgrade_and_not_after_a_downgrade(empty_database_url: str) -> None:
    url = empty_database_url
    migrate(url, "upgrade", "0014")
    add_drawings(url, {1: 0.005, 2: 0.3, 3: 0.1, 4: 0.002, 5: 0.9}, not_a_digit={1: 0.99, 2: 0.01, 4: 0.99, 5: 0.75})
    add_labels(url, {4: "none"})
    before = [("margin", 1), ("margin", 3), ("margin", 2), ("not_a_digit", 5), ("not_a_digit", 1)]
    assert queued(url) == before
    migrate(url, "upgrade", "0015")
    assert queued(url) == [one for one in before if one != ("margin", 1)]
    execute(url, "UPDATE predictions SET not_a_digit = 0.5 WHERE id = 1")
    assert queued(url) == [one for one in before if one != ("not_a_digit", 1)]
    execute(url, "UPDATE predictions SET not_a_digit = 0.99 WHERE id = 1")
    assert queued(url) == [one for one in before if one != ("margin", 1)]
    migrate(url, "downgrade", "0014")
    assert queued(url) == before
