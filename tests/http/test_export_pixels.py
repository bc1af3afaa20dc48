"""GET /export: packed pixels, and files without pixels."""

import base64
import hashlib
import zlib

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.support.export_files import arrays_of, cells_of, fill, lines_of, table_of
from training.mnist import Digits


@pytest.fixture
def full(client: TestClient, database_url: str) -> TestClient:
    """The service with many rows, some without a drawing."""
    fill(database_url)
    return client


def test_packed_pixels_are_those_of_the_drawing(full: TestClient) -> None:
    usual, packed = lines_of(full), lines_of(full, packed_pixels=True)
    assert [line["id"] for line in packed] == [line["id"] for line in usual]
    for line, other in zip(packed, usual, strict=True):
        pixels = zlib.decompress(base64.b64decode(line["pixels"]))
        assert pixels == bytes(value for row in other["pixels"] for value in row)
        assert hashlib.sha256(pixels).hexdigest() == other["sha256"]


def test_packed_lines_of_mnist_take_at_most_600_bytes(client: TestClient, mnist_test: Digits) -> None:
    drawings = mnist_test.images[:500].tolist()
    assert client.post("/classify/batch", json={"images": drawings}).status_code == 200
    query = {"format": "jsonl", "include_unlabelled": True}
    packed, usual = (
        client.get("/export", params={**query, "packed_pixels": packed}).content for packed in (True, False)
    )
    assert packed.count(b"\n") == usual.count(b"\n") == 500
    assert len(packed) / 500 < 600 < 2000 < len(usual) / 500


def test_every_format_can_leave_out_the_pixels(full: TestClient) -> None:
    usual, without = arrays_of(full), arrays_of(full, without_pixels=True)
    assert usual.keys() - without.keys() == {"x_train", "x_test", "x_none"}
    for name in without.keys() - {"manifest.json"}:
        np.testing.assert_array_equal(without[name], usual[name])
    rest = [{name: value for name, value in line.items() if name != "pixels"} for line in lines_of(full)]
    assert lines_of(full, without_pixels=True) == rest
    assert cells_of(full, without_pixels=True) == cells_of(full)


def test_parquet_without_pixels_has_the_other_columns_unchanged(full: TestClient) -> None:
    usual = table_of(full, include_unlabelled=True)
    assert table_of(full, include_unlabelled=True, without_pixels=True).equals(usual.drop_columns("pixels"))
