"""POST /classify/preview: the same prediction, without storing it."""

from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.classifier.normalise import normalise
from tests.support.service import DRAWING, assert_problem, random_drawings, stored

SMALL = np.zeros((28, 28), np.uint8)
SMALL[2:10, 20:23] = 200


def test_preview_gives_the_same_prediction_and_stores_nothing(client: TestClient, database_url: str) -> None:
    preview = client.post("/classify/preview", json=DRAWING)

    assert preview.status_code == 200
    assert stored(database_url) == (0, 0)
    answer = client.post("/classify", json=DRAWING).json()
    same = ("prediction", "confidence", "not_a_digit", "scores", "model_version")
    assert {name: preview.json()[name] for name in same} == {name: answer[name] for name in same}


@pytest.mark.parametrize("drawing", [SMALL, *random_drawings(2)], ids=["in a corner", "noise", "more noise"])
def test_preview_returns_the_normalised_drawing(sqlite_client: TestClient, drawing: np.ndarray) -> None:
    preview = sqlite_client.post("/classify/preview", json={"pixels": drawing.tolist()}).json()

    assert preview["normalised"] == normalise(drawing[np.newaxis])[0].tolist()


@pytest.mark.parametrize("body", [b"", b"{}", b'{"pixels": []}', b"\xff"])
def test_preview_refuses_an_invalid_drawing(sqlite_client: TestClient, body: bytes) -> None:
    assert_problem(sqlite_client.post("/classify/preview", content=body), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")


def test_stored_drawing_can_be_downloaded_normalised(sqlite_client: TestClient, tmp_path: Path) -> None:
    sqlite_client.post("/classify", json={"pixels": SMALL.tolist()})

    def picture(query: str) -> list[list[int]]:
        file = tmp_path / "drawing.png"
        file.write_bytes(sqlite_client.get(f"/results/1/drawing.png{query}").content)
        return np.asarray(Image.open(file)).tolist()

    assert picture("") == picture("?normalised=false") == SMALL.tolist()
    assert picture("?normalised=true") == normalise(SMALL[np.newaxis])[0].tolist() != SMALL.tolist()
