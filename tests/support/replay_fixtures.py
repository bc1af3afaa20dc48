"""Fixtures and functions for the tests of replays."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa

from app.analysis.replay import latency
from app.analysis.replay.answer_store import ANSWERS, RECORD
from app.classifier import Classifier, get_classifier
from app.database import Database
from app.models import Drawing, Prediction
from app.schemas.replay import ReplayReport
from app.services.replay import SCORE_BATCH_SIZE, Replayed, replay
from tests.support.model_files import swapping_model
from tests.support.service import connected, execute, random_drawings
from training.strokes import draw

Images = npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def swapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that swaps 4 and 9."""
    return swapping_model(tmp_path_factory.mktemp("models"), 4, 9)


@pytest.fixture(scope="session")
def drawn() -> Images:
    """A hundred drawn digits."""
    return draw(100, np.random.default_rng(1))[0]


@pytest.fixture(scope="session")
def noise() -> Images:
    """More drawings than a batch."""
    return random_drawings(2 * SCORE_BATCH_SIZE + 300)


def store_answers(database_url: str, images: Images, *, first_id: int = 1, **columns: str) -> list[str]:
    """Store drawings with the shipped model's answers or the given columns; return the answers."""
    answers = [{**answer, **columns} for answer in get_classifier().classify_batch(images)]
    rows = [
        {
            "id": id_,
            "prediction": answer["prediction"],
            "confidence": answer["confidence"],
            "model_version": answer.get("model_version", "v1"),
        }
        for id_, answer in enumerate(answers, first_id)
    ]
    drawings = [
        {"prediction_id": id_, "pixels": image.tobytes(), "scores": list(answer["scores"].values())}
        for id_, (image, answer) in enumerate(zip(images, answers, strict=True), first_id)
    ]
    with connected(database_url) as connection:
        connection.execute(sa.insert(Prediction), rows)
        connection.execute(sa.insert(Drawing), drawings)
    return [answer["prediction"] for answer in answers]


def label(database_url: str, *labels: tuple[int, str]) -> None:
    """Store labels: the id of a prediction and what it shows."""
    execute(
        database_url, *(f"INSERT INTO labels (prediction_id, label) VALUES ({id_}, '{word}')" for id_, word in labels)
    )


def run(database: Database, model: Path, folder: Path, **options: Any) -> Replayed:
    """Replay the stored drawings with this model and the shipped one, which are timed only once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "_SINGLES", 1)
        patch.setattr(latency, "_BATCHES", 1)
        return replay(database, Classifier(model), get_classifier(), folder=folder, **options)


def without_times(report: ReplayReport) -> dict[str, Any]:
    """The report without its time and the latencies."""
    return report.model_dump(exclude={"created_at", "latency"})


def records(folder: Path) -> npt.NDArray[np.void]:
    """The answers that a replay stored."""
    return np.fromfile(folder / ANSWERS, RECORD)


def flips(found: Replayed) -> list[dict[str, str]]:
    """The rows of a replay's table."""
    with found.table_file.open(newline="") as file:
        return list(csv.DictReader(file))
