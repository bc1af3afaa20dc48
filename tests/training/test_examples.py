"""The examples of docs/training.md: drawings on squared paper, and how they are stored."""

import numpy as np
import pytest
from starlette.testclient import TestClient

# The training has an environment of its own.
pytest.importorskip("torch")
pytest.importorskip("skimage")

from tests.support.service import KEY, random_drawings, rows, served
from training import examples, mnist
from training.mnist import NOT_A_DIGIT, Digits


def test_drawings_are_stored_with_their_labels(
    sqlite_client: TestClient, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_API_KEY", KEY)
    images = random_drawings(3)
    with served(sqlite_client.app) as port:
        examples.store(f"http://127.0.0.1:{port}", Digits(images, np.array([7, NOT_A_DIGIT, 0])))
    stored = rows(
        sqlite_url, "SELECT pixels, label FROM v_drawings JOIN labels USING (prediction_id) ORDER BY prediction_id"
    )
    assert [(row["pixels"], row["label"]) for row in stored] == [
        (image.tobytes(), label) for image, label in zip(images, ("7", "none", "0"), strict=True)
    ]


def test_squared_paper_hides_no_ink(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = Digits(random_drawings(2_000), np.arange(2_000) % 10)
    monkeypatch.setattr(mnist, "load", lambda part: digits)
    on_paper, empty = examples.squared().values()
    assert (on_paper.images >= digits.images).all()
    assert on_paper.labels.tolist() == digits.labels.tolist()
    assert set(empty.labels.tolist()) == {NOT_A_DIGIT}
    assert all(np.count_nonzero(sheet.all(axis=0)) in (3, 4) for sheet in empty.images), "vertical lines"
