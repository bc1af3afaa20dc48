"""The shadow model in the service: its predictions are stored separately and never affect a client."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.classifier import Classifier, get_shadow_classifier
from app.main import create_app
from app.schemas.classify import SEVEN
from tests.support.http_fixtures import Start
from tests.support.model_files import model_of_nothing, model_that_breaks, second_model, swapping_model
from tests.support.service import DRAWING, KEY, hidden, runtime_of, start_problem, stored
from tests.support.shadow_model import HangingClassifier, shadow_rows
from tests.support.waiting import wait_until


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A model that answers 1 where the shipped one answers 7."""
    return swapping_model(tmp_path, 7, 1)


def started(start: Start, database_url: str, model: Path) -> TestClient:
    return start(DATABASE_URL=database_url, SHADOW_MODEL_PATH=str(model))


def classify(client: TestClient) -> dict[str, Any]:
    response = client.post("/classify", json=DRAWING)
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def test_shadow_predictions_are_stored_separately(start: Start, database_url: str, second: Path) -> None:
    client = started(start, database_url, second)
    answer = classify(client)
    assert answer["prediction"] == "7"
    wait_until(lambda: bool(shadow_rows(database_url)), "the shadow model has answered")
    (kept,) = shadow_rows(database_url)
    assert kept == {
        "prediction_id": answer["id"],
        "model_sha256": Classifier(second).sha256,
        "model_version": "v2",
        "prediction": "1",
        "confidence": pytest.approx(answer["confidence"], abs=1e-5),
        "not_a_digit": pytest.approx(answer["not_a_digit"], abs=1e-5),
    }
    result = client.get(f"/results/{answer['id']}").json()
    assert (result["prediction"], result["model_version"]) == ("7", answer["model_version"])


def test_batches_and_images_are_scored_too(start: Start, sqlite_url: str, second: Path) -> None:
    client = started(start, sqlite_url, second)
    image = BytesIO()
    Image.fromarray(np.array(SEVEN, np.uint8)).save(image, "PNG")
    batch = client.post("/classify/batch", json={"images": [SEVEN, SEVEN]}).json()["results"]
    single = client.post("/classify/image", files={"file": image.getvalue()}).json()
    client.__exit__()
    assert [row["prediction_id"] for row in shadow_rows(sqlite_url)] == [answer["id"] for answer in (*batch, single)]
    assert {row["prediction"] for row in shadow_rows(sqlite_url)} == {"1"}


def test_models_lists_the_shadow_predictions(start: Start, sqlite_url: str, second: Path) -> None:
    client = started(start, sqlite_url, second)
    classify(client)
    wait_until(lambda: bool(shadow_rows(sqlite_url)), "the shadow model has answered")
    live, second = client.get("/models").json()["models"]
    assert (live["loaded"], live["predictions"], live["shadow"]) == ("live", 1, None)
    assert (second["loaded"], second["version"], second["predictions"]) == ("shadow", "v2", 0)
    assert (second["shadow"]["predictions"], second["shadow"]["agreed"]) == (1, 0)


def test_no_shadow_model_runs_by_default(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url)
    assert runtime_of(client).shadow is None
    assert get_shadow_classifier() is None
    classify(client)
    assert shadow_rows(sqlite_url) == []


def test_queue_is_finished_when_the_service_ends(start: Start, database_url: str, second: Path) -> None:
    client = started(start, database_url, second)
    ids = [classify(client)["id"] for _ in range(5)]
    client.__exit__()
    assert [row["prediction_id"] for row in shadow_rows(database_url)] == ids
    assert get_shadow_classifier.cache_info().currsize == 0


@pytest.mark.parametrize("broken", [model_that_breaks, model_of_nothing])
def test_failing_shadow_model_never_affects_the_client(
    start: Start, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: Any
) -> None:
    client = started(start, database_url, broken(tmp_path))
    # In one request, because the first skipped drawings are logged at once.
    assert client.post("/classify/batch", json={"images": [SEVEN] * 5}).status_code == 200
    client.__exit__()
    assert stored(database_url) == (5, 5)
    assert shadow_rows(database_url) == []
    (record,) = caplog.records
    assert "the shadow model left out 5 drawings" in record.getMessage()
    assert record.getMessage().isprintable()


def test_failing_shadow_table_never_affects_the_client(
    start: Start, database_url: str, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = started(start, database_url, second)
    with hidden(database_url, "shadow_predictions"):
        # In one request, because the first skipped drawings are logged at once.
        lost = client.post("/classify/batch", json={"images": [SEVEN] * 3}).json()["results"]
        wait_until(lambda: bool(caplog.records), "skipped drawings are logged")
    later = classify(client)["id"]
    wait_until(lambda: bool(shadow_rows(database_url)), "the shadow model has answered")
    assert [row["prediction_id"] for row in shadow_rows(database_url)] == [later]
    assert stored(database_url) == (len(lost) + 1, len(lost) + 1)
    (record,) = caplog.records
    assert "left out 3 drawings: DatabaseUnavailable" in record.getMessage()


def test_deleting_a_prediction_deletes_its_shadow_prediction(start: Start, database_url: str, second: Path) -> None:
    client = started(start, database_url, second)
    prediction_id = classify(client)["id"]
    wait_until(lambda: bool(shadow_rows(database_url)), "the shadow model has answered")
    assert client.delete(f"/results/{prediction_id}").status_code == 204
    assert shadow_rows(database_url) == []


def test_requests_are_answered_while_the_shadow_model_hangs(start: Start, sqlite_url: str, tmp_path: Path) -> None:
    client = start(DATABASE_URL=sqlite_url, SHADOW_MODEL_PATH=str(second_model(tmp_path)))
    shadow = runtime_of(client).shadow
    assert shadow is not None
    shadow.classifier = hanging = HangingClassifier(second_model(tmp_path))
    try:
        classify(client)
        wait_until(hanging.started.is_set, "the shadow model hangs")
        ids = [classify(client)["id"] for _ in range(5)]
        assert shadow_rows(sqlite_url) == []
    finally:
        hanging.released.set()
    client.__exit__()
    assert [row["prediction_id"] for row in shadow_rows(sqlite_url)] == [1, *ids]


@pytest.fixture
def working_settings(settings_environment: pytest.MonkeyPatch, sqlite_url: str) -> pytest.MonkeyPatch:
    """Settings the service starts with."""
    settings_environment.setenv("SECRET_API_KEY", KEY)
    settings_environment.setenv("DATABASE_URL", sqlite_url)
    return settings_environment


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("/no-such-folder/second.onnx", "set SHADOW_MODEL_PATH to an ONNX file, or remove it from .env"),
        ("no-such-folder/second.onnx", "set SHADOW_MODEL_PATH"),
        (__file__, "is not a PixelWise model; set SHADOW_MODEL_PATH"),
        ("models/model.pkl", "SHADOW_MODEL_PATH: is a pickle"),
        ("/srv/model.joblib", "SHADOW_MODEL_PATH: is a pickle"),
    ],
)
def test_invalid_shadow_model_prevents_the_start(working_settings: pytest.MonkeyPatch, value: str, words: str) -> None:
    working_settings.setenv("SHADOW_MODEL_PATH", value)
    problem = start_problem(create_app())
    assert problem is not None
    assert words in problem
    assert problem.isprintable()


def test_setting_is_read_at_every_start(
    working_settings: pytest.MonkeyPatch, start: Start, sqlite_url: str, tmp_path: Path
) -> None:
    working_settings.setenv("SHADOW_MODEL_PATH", str(second_model(tmp_path, version="of a start that was refused")))
    with hidden(sqlite_url, "alembic_version"):
        assert start_problem(create_app()) is not None
    first = started(start, sqlite_url, second_model(tmp_path, version="first"))
    classify(first)
    first.__exit__()
    second = started(start, sqlite_url, second_model(tmp_path, version="second"))
    classify(second)
    second.__exit__()
    assert [row["model_version"] for row in shadow_rows(sqlite_url)] == ["first", "second"]
