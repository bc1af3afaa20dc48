"""Rows to export, and readers of export files."""

import csv
import json
from io import BytesIO, StringIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import insert
from starlette.testclient import TestClient

from app.analysis.export_files import is_test
from app.models import Drawing
from tests.support.service import connected
from tests.support.stored_rows import Row, drawing_of, random_rows, store

ROWS = random_rows(300)
LAST_WITHOUT_DRAWING = 20
"""The first rows have no drawing, as those that version 0.5 wrote."""


def fill(database_url: str) -> None:
    """Store the rows."""
    store(database_url, ROWS)
    with connected(database_url) as connection:
        connection.execute(insert(Drawing), [drawing_of(row.id) for row in ROWS[LAST_WITHOUT_DRAWING:]])


def arrays_of(client: TestClient, **query: Any) -> dict[str, Any]:
    """The arrays of an export as NumPy's archive."""
    response = client.get("/export", params=query)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/zip"), response.text
    with np.load(BytesIO(response.content), allow_pickle=False) as read:
        return {name: read[name] for name in read.files}


def lines_of(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    """The objects of an export as JSON lines."""
    response = client.get("/export", params={"format": "jsonl", **query})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/x-ndjson"), response.text
    return [json.loads(line) for line in response.content.splitlines()]


def cells_of(client: TestClient, **query: Any) -> list[dict[str, str]]:
    """The rows of an export as CSV."""
    response = client.get("/export", params={"format": "csv", **query})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(StringIO(response.content.decode(), newline=""), strict=True))


def table_of(client: TestClient, **query: Any) -> pa.Table:
    """The rows of an export as Parquet."""
    response = client.get("/export", params={"format": "parquet", **query})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    return pq.read_table(BytesIO(response.content))


def manifest_of(client: TestClient, **query: Any) -> dict[str, Any]:
    """The manifest that comes with an export."""
    manifest: dict[str, Any] = json.loads(client.get("/export", params=query).headers["x-export-manifest"])
    return manifest


def pixels_of(row: Row) -> bytes:
    """The drawing of a row."""
    pixels: bytes = drawing_of(row.id)["pixels"]
    return pixels


def with_drawing(rows: list[Row]) -> list[Row]:
    """The rows that have a drawing."""
    return [row for row in rows if row.id > LAST_WITHOUT_DRAWING]


def on_side(rows: list[Row], *, test: bool, seed: str = "0", share: float = 0.1) -> list[Row]:
    """The rows that an export puts on the test side, or on the training side."""
    return [row for row in rows if is_test(pixels_of(row), seed, share) == test]


DIGITS = with_drawing([row for row in ROWS if row.label not in (None, "none")])
NOT_DIGITS = with_drawing([row for row in ROWS if row.label == "none"])
LABELLED = [row for row in ROWS if row.label is not None]
