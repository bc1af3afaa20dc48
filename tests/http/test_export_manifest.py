"""The manifest of an export: contents, origin and checksum of the file."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from app import __version__
from app.database.schema_version import schema_revision
from app.schemas.export import EXAMPLE_MANIFEST, ExportFormat
from tests.support.export_files import DIGITS, NOT_DIGITS, ROWS, cells_of, fill, manifest_of, on_side, with_drawing
from tests.support.stored_rows import store


@pytest.fixture
def full(client: TestClient, database_url: str) -> TestClient:
    """The service with many rows, some without a drawing."""
    fill(database_url)
    return client


def test_manifest_counts_every_row_once(full: TestClient) -> None:
    manifest = manifest_of(full, include_unlabelled=True, test_share=0.3)
    counts = manifest["counts"]
    parts = ("train", "test", "none", "without_drawing", "without_digit")
    assert counts["rows"] == sum(counts[part] for part in parts) == len(ROWS)
    digits = with_drawing([row for row in ROWS if row.label != "none"])
    assert counts["train"] == len(on_side(digits, test=False, share=0.3))
    assert counts["none"] == len(NOT_DIGITS)
    assert counts["unlabelled"] == sum(row.label is None for row in digits)
    assert counts["per_digit"] == {
        str(digit): sum((row.label or row.prediction) == str(digit) for row in digits) for digit in range(10)
    }
    assert manifest["model_versions"] == {v: sum(row.model_version == v for row in ROWS) for v in ("v1", "v2")}
    assert manifest["rows_of_other_versions"] == 0


def test_manifest_names_the_origin_of_the_file(full: TestClient) -> None:
    manifest = manifest_of(full, format="csv", seed="März", test_share=0.25, model_version="v1", labelled=True)
    assert (manifest["format"], manifest["app_version"]) == ("csv", __version__)
    assert manifest["schema_revision"] == schema_revision()
    assert manifest["query"] == {
        "format": "csv",
        "seed": "März",
        "test_share": 0.25,
        "model_version": "v1",
        "labelled": True,
        "include_unlabelled": False,
    }
    assert {name: manifest["split"][name] for name in ("seed", "test_share")} == {"seed": "März", "test_share": 0.25}
    assert abs(datetime.fromisoformat(manifest["created_at"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_manifest_names_the_form_of_the_pixels(full: TestClient) -> None:
    query = manifest_of(full, format="jsonl", packed_pixels=True)["query"]
    assert {name for name in query if name.endswith("pixels")} == {"packed_pixels"}
    query = manifest_of(full, format="jsonl", without_pixels=True, packed_pixels=False)["query"]
    assert {name for name in query if name.endswith("pixels")} == {"without_pixels"}


def test_manifest_is_in_the_npz_and_its_checksum_follows_from_the_csv(full: TestClient) -> None:
    response = full.get("/export")
    with np.load(BytesIO(response.content), allow_pickle=False) as read:
        assert read["manifest.json"].decode() == response.headers["x-export-manifest"]
    lines = "".join(f"{row['id']},{row['sha256']},{row['label']}\n" for row in cells_of(full))
    assert json.loads(response.headers["x-export-manifest"])["sha256"] == hashlib.sha256(lines.encode()).hexdigest()


def test_manifest_is_in_the_metadata_of_parquet(full: TestClient) -> None:
    response = full.get("/export?format=parquet")
    metadata = pq.read_schema(BytesIO(response.content)).metadata
    assert metadata[b"manifest"].decode() == response.headers["x-export-manifest"]


def test_checksum_depends_only_on_the_rows(full: TestClient) -> None:
    same = {manifest_of(full, format=kind, seed=seed)["sha256"] for kind in ExportFormat for seed in "01"}
    assert len(same) == 1
    row = DIGITS[0]
    full.put(f"/results/{row.id}/label", json={"label": "4"})
    relabelled = manifest_of(full)["sha256"]
    full.delete(f"/results/{row.id}")
    assert len({*same, relabelled, manifest_of(full)["sha256"]}) == 3


def test_manifest_stays_short_with_many_model_versions(client: TestClient, database_url: str) -> None:
    versions = [ROWS[0]._replace(id=1 + i, model_version=f"v{i % 50}", labels=("1",)) for i in range(60)]
    store(database_url, versions)
    manifest = manifest_of(client)
    assert len(manifest["model_versions"]) == 20
    assert all(manifest["model_versions"][f"v{i}"] == 2 for i in range(10))
    assert manifest["rows_of_other_versions"] == 60 - 10 * 2 - 10
    assert manifest_of(client, notes_contains="ü" * 200)["query"]["notes_contains"] == "ü" * 200


def test_example_in_the_documentation_names_the_newest_revision() -> None:
    assert EXAMPLE_MANIFEST.schema_revision == schema_revision()
