"""The queue of the shadow model: drawings are scored and stored once, and failures are skipped."""

import asyncio
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy.orm import Session

from app.classifier import Classifier
from app.database import Database
from app.repository.classify import NewPrediction, add_predictions
from app.repository.shadow import NewShadowPrediction, add_shadow_predictions
from app.services import shadow
from tests.support.model_files import model_that_breaks, second_model, swapping_model
from tests.support.service import execute, random_drawings
from tests.support.shadow_model import HangingClassifier, shadow_rows
from tests.support.waiting import wait_until


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A model that answers 1 where the shipped one answers 7."""
    return swapping_model(tmp_path, 7, 1)


def remember(session: Session, count: int = 3) -> list[int]:
    """Store predictions of noise; return their ids."""
    scores = {str(digit): 0.91 if digit == 7 else 0.01 for digit in range(10)}
    many = [
        NewPrediction("7", 0.91, None, "v1", "a-request", "somebody", image.tobytes(), scores)
        for image in random_drawings(count)
    ]
    ids, _ = add_predictions(session, many)
    return ids


async def score(database: Database, model: Path, ids: list[int], images: npt.NDArray[np.uint8]) -> None:
    """Score these drawings and close the shadow model."""
    queue = shadow.Shadow(Classifier(model), database)
    queue.offer(ids, [image.tobytes() for image in images])
    await queue.close()


def test_drawings_after_a_failure_are_scored(
    sqlite_database: Database, sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> list[int]:
        ids = await sqlite_database.write(remember)
        queue = shadow.Shadow(Classifier(model_that_breaks(tmp_path)), sqlite_database)
        queue.offer(ids[:1], [random_drawings(1).tobytes()])
        await asyncio.to_thread(wait_until, lambda: bool(caplog.records), "skipped drawings are logged")
        queue.offer(ids[1:2], [bytes(784)])
        await queue.close()
        return ids

    ids = asyncio.run(run())
    assert [row["prediction_id"] for row in shadow_rows(sqlite_url)] == ids[1:2]


def test_deleted_prediction_is_skipped(database: Database, database_url: str, second: Path) -> None:
    async def run() -> list[int]:
        ids = await database.write(remember)
        execute(database_url, f"DELETE FROM predictions WHERE id = {ids[1]}")
        await score(database, second, ids, random_drawings(3))
        return ids

    first, _, last = asyncio.run(run())
    assert [row["prediction_id"] for row in shadow_rows(database_url)] == [first, last]


def test_drawing_offered_twice_is_stored_once(database: Database, database_url: str, second: Path) -> None:
    async def run() -> list[int]:
        ids = await database.write(remember)
        await score(database, second, ids[:2], random_drawings(3)[:2])
        await score(database, second, ids, np.concatenate([random_drawings(2, seed=1), random_drawings(3)[2:]]))
        return ids

    ids = asyncio.run(run())
    found = shadow_rows(database_url)
    assert [row["prediction_id"] for row in found] == ids
    expected = [answer["prediction"] for answer in Classifier(second).classify_batch(random_drawings(3))]
    assert [row["prediction"] for row in found] == expected


def test_predictions_of_two_models_are_both_stored(database: Database, database_url: str) -> None:
    async def run() -> list[int]:
        ids = await database.write(remember)
        answers = [NewShadowPrediction(id_, "3", 0.5, None) for id_ in ids]
        await database.write(lambda session: add_shadow_predictions(session, "a" * 64, "v2", answers))
        await database.write(lambda session: add_shadow_predictions(session, "b" * 64, "v2", answers))
        return ids

    ids = asyncio.run(run())
    assert [(row["prediction_id"], row["model_sha256"][0]) for row in shadow_rows(database_url)] == [
        (id_, name) for id_ in ids for name in "ab"
    ]


def test_full_queue_skips_drawings_and_logs_it_once(
    sqlite_database: Database,
    sqlite_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The queue takes 32 transactions.
    monkeypatch.setattr(shadow, "GRACE_S", 30.0)
    hanging = HangingClassifier(second_model(tmp_path))

    async def run() -> None:
        ids = await sqlite_database.write(lambda session: remember(session, 1))
        queue = shadow.Shadow(hanging, sqlite_database)
        many = [*ids, *range(1000, 999 + shadow.QUEUE_SIZE)]
        queue.offer(many, [bytes(784)] * shadow.QUEUE_SIZE)
        assert caplog.records == []
        for _ in range(3):
            queue.offer(range(1000), [bytes(784)] * 1000)
        (record,) = caplog.records
        assert "left out 1000 drawings: more arrive than it can score" in record.getMessage()
        hanging.released.set()
        await queue.close()

    asyncio.run(run())
    assert len(shadow_rows(sqlite_url)) == 1
    first, last = (record.getMessage() for record in caplog.records)
    assert "1000" in first
    assert "left out 2000 drawings" in last


def test_close_does_not_wait_for_a_hanging_model(
    sqlite_database: Database, sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(shadow, "GRACE_S", 0.01)
    hanging = HangingClassifier(second_model(tmp_path))

    async def run() -> None:
        ids = await sqlite_database.write(lambda session: remember(session, 100))
        queue = shadow.Shadow(hanging, sqlite_database)
        queue.offer(ids, [bytes(784)] * len(ids))
        while not hanging.started.is_set():
            await asyncio.sleep(0)
        await queue.close()
        hanging.released.set()

    asyncio.run(run())
    assert shadow_rows(sqlite_url) == []
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "the shadow model left out 64 drawings: the service ended",
        "the shadow model left out 36 drawings: the service ended",
    ]
