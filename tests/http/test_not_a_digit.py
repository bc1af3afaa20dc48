"""`not_a_digit` in every answer, with a model that tells and with one that does not."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.classifier import Classifier
from tests.support.digit_images import encoded, picture
from tests.support.http_fixtures import Start
from tests.support.model_files import tiny_model
from tests.support.service import DRAWING, execute, random_drawings

NAMES = ["id", "prediction", "confidence", "not_a_digit"]


@pytest.fixture(params=[11, 10])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tiny_model(tmp_path, columns=request.param)


@pytest.fixture
def tiny(fresh_classifier: None, start: Start, database_url: str, model: Path) -> TestClient:
    """The service with a tiny model."""
    return start(DATABASE_URL=database_url, MODEL_PATH=str(model))


def told(row: dict[str, Any]) -> Any:
    """The value, after a check of its place and its kind."""
    names = list(row)
    assert names.index("not_a_digit") == names.index("confidence") + 1
    assert row["not_a_digit"] is None or 0 <= row["not_a_digit"] <= 1
    return row["not_a_digit"]


def test_every_answer_and_the_stored_row_have_the_same_value(tiny: TestClient, model: Path) -> None:
    drawings = random_drawings(3)
    expected = [answer["not_a_digit"] for answer in Classifier(model).classify_batch(drawings)]
    assert (None in expected) == (model.name == "tiny10.onnx")
    for drawing, value in zip(drawings, expected, strict=True):
        body = {"pixels": drawing.tolist()}
        answer = tiny.post("/classify", json=body).json()
        assert list(answer)[:4] == NAMES
        preview = tiny.post("/classify/preview", json=body).json()
        stored = tiny.get(f"/results/{answer['id']}").json()
        assert [told(row) for row in (answer, preview, stored)] == [pytest.approx(value)] * 3
    assert [told(row) for row in tiny.get("/results").json()["results"]] == pytest.approx(expected[::-1])


def test_batch_and_image_have_the_value_too(tiny: TestClient, model: Path) -> None:
    drawings = random_drawings(3)
    expected = [answer["not_a_digit"] for answer in Classifier(model).classify_batch(drawings)]
    batch = tiny.post("/classify/batch", json={"images": drawings.tolist()}).json()["results"]
    assert [told(row) for row in batch] == pytest.approx(expected)
    found = tiny.post("/classify/image", files={"file": ("4.png", encoded(picture("4")))}).json()
    assert (told(found) is None) == (None in expected)
    assert [told(row) for row in tiny.get("/results").json()["results"]] == pytest.approx(
        [told(found), *expected[::-1]]
    )


def test_repeated_request_gets_the_same_bytes(tiny: TestClient) -> None:
    for route, body in (("/classify", DRAWING), ("/classify/batch", {"images": [DRAWING["pixels"]]})):
        first, second = (tiny.post(route, json=body, headers={"Idempotency-Key": route}) for _ in range(2))
        assert b'"not_a_digit":' in first.content
        assert second.content == first.content


def test_scores_are_probabilities_of_digits(tiny: TestClient) -> None:
    answer = tiny.post("/classify", json=DRAWING).json()
    assert list(answer["scores"]) == list("0123456789")
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["confidence"] == max(answer["scores"].values())
    # Each score has a tenth of it.
    assert min(answer["scores"].values()) >= (answer["not_a_digit"] or 0) / 10 - 2e-6


def test_labels_say_how_well_the_model_tells_digits_from_other_drawings(client: TestClient, database_url: str) -> None:
    for id_, (label, said) in enumerate(
        (("none", 0.9), ("none", 0.500001), ("none", 0.5), ("none", None), ("7", 0.6), ("7", 0.1), ("1", 0.1)), start=1
    ):
        client.post("/classify", json=DRAWING)
        client.put(f"/results/{id_}/label", json={"label": label})
        execute(
            database_url, f"UPDATE predictions SET not_a_digit = {'NULL' if said is None else said} WHERE id = {id_}"
        )
    accuracy = client.get("/stats").json()["accuracy"]
    assert (accuracy["labelled"], accuracy["correct"], accuracy["accuracy_of_digits"]) == (7, 2, 0.666667)
    assert accuracy["digit_or_not"] == {"none": 3, "none_found": 2, "digits": 3, "digits_refused": 1}
