"""Drawings that were stored as text by hand, which SQLite accepts."""

import json
from io import BytesIO

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.support.service import execute
from tests.support.stored_rows import random_rows, store

TEXTS = {"as many bytes": "x" * 784, "more bytes": "ü" * 784, "fewer": "ü" * 98}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_drawing_stored_as_text_is_read_as_some_drawing(sqlite_client: TestClient, sqlite_url: str, text: str) -> None:
    store(sqlite_url, random_rows(1))
    execute(sqlite_url, f"INSERT INTO drawings VALUES (1, '{text}', '[]', NULL)")
    assert sqlite_client.get("/results/1").json()["scores"] is None
    picture = sqlite_client.get("/results/1/drawing.png")
    assert Image.open(BytesIO(picture.content)).size == (28, 28)
    export = sqlite_client.get("/export", params={"format": "jsonl", "include_unlabelled": "true"}).text
    assert [json.loads(line)["id"] for line in export.splitlines()] == [1]
