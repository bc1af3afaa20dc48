"""A model that answers some drawings with numbers that are not probabilities."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

from app.classifier import Classification
from app.classifier.probabilities import are_probabilities
from app.cli.exit_codes import ExitCode
from app.schemas.classify import SEVEN
from app.services.classify import ClassifyCall
from app.services.errors import ModelFailed
from app.services.idempotency import StoredResponse
from tests.support.command_line import refused
from tests.support.digit_images import encoded
from tests.support.http_fixtures import Start
from tests.support.model_files import model_of_light_drawings
from tests.support.service import DRAWING, assert_problem, rows, runtime_of

SQUARE = np.zeros((28, 28), np.uint8)
SQUARE[6:22, 6:22] = 255
MESSAGE = "The model answered with numbers that are not probabilities; nothing was stored."


@pytest.fixture
def light(fresh_classifier: None, start: Start, database_url: str, tmp_path: Path) -> TestClient:
    """The service with a model that fails on `SQUARE`."""
    return start(DATABASE_URL=database_url, MODEL_PATH=str(model_of_light_drawings(tmp_path)))


def test_drawing_that_the_model_fails_on_fails_no_other_in_its_transaction(
    light: TestClient, database_url: str
) -> None:
    service = runtime_of(light).classify
    good, bad = np.array(SEVEN, np.uint8).tobytes(), SQUARE.tobytes()

    async def classify_together() -> list[StoredResponse | BaseException]:
        drawings = [*[good] * 5, bad, *[good] * 2]
        calls = [ClassifyCall([pixels], f"request {number}", "test") for number, pixels in enumerate(drawings)]
        return await asyncio.gather(*map(service.classify, calls), return_exceptions=True)

    assert light.portal is not None
    outcomes = light.portal.call(classify_together)
    assert [type(outcome) for outcome in outcomes] == [*[StoredResponse] * 5, ModelFailed, *[StoredResponse] * 2]
    stored = rows(database_url, "SELECT request_id FROM predictions ORDER BY id")
    assert [row["request_id"] for row in stored] == [f"request {number}" for number in (0, 1, 2, 3, 4, 6, 7)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classify", {"json": {"pixels": SQUARE.tolist()}}),
        ("/classify", {"json": {"pixels": SQUARE.tolist()}, "headers": {"Idempotency-Key": "one"}}),
        ("/classify/preview", {"json": {"pixels": SQUARE.tolist()}}),
        ("/classify/batch", {"json": {"images": [SEVEN, SQUARE.tolist()]}}),
    ],
)
def test_failure_of_the_model_is_reported_as_one(
    light: TestClient, database_url: str, caplog: pytest.LogCaptureFixture, path: str, body: dict[str, Any]
) -> None:
    for _ in range(2):
        problem = assert_problem(light.post(path, **body), HTTPStatus.INTERNAL_SERVER_ERROR)
        assert problem["detail"] == MESSAGE
    assert caplog.text.count(f"ModelFailed: {MESSAGE}") == 1
    assert rows(database_url, "SELECT id FROM predictions") == []
    assert light.post("/classify", json=DRAWING).status_code == HTTPStatus.OK


def test_command_line_reports_a_failure_of_the_model(light: TestClient, database_url: str, tmp_path: Path) -> None:
    disc = tmp_path / "disc.png"
    picture = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(picture).ellipse((30, 30, 70, 70), fill=0)
    disc.write_bytes(encoded(picture))
    for arguments in ((), ("--dry-run",)):
        assert MESSAGE in refused(ExitCode.FAILURE, "classify", str(disc), *arguments)
    assert rows(database_url, "SELECT id FROM predictions") == []


@pytest.mark.parametrize(
    "changed",
    [
        {"confidence": float("nan")},
        {"confidence": 1.5},
        {"confidence": -0.1},
        {"not_a_digit": float("nan")},
        {"not_a_digit": 2.0},
        {"scores": {"0": -0.25, "1": 0.5}},
    ],
)
def test_numbers_that_are_not_probabilities_are_found(changed: Any) -> None:
    answer: Classification = {"prediction": "1", "confidence": 1.0, "not_a_digit": 0.0, "scores": {"0": 0.0, "1": 1.0}}
    assert are_probabilities(answer)
    assert are_probabilities({**answer, "not_a_digit": None})
    assert not are_probabilities({**answer, **changed})
