"""Programs of others open export files and see the stored values: pandas, DuckDB and Hugging Face's datasets."""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.command_line import done
from tests.support.export_files import ROWS, fill, pixels_of, with_drawing
from tests.support.stored_rows import drawing_of

pytestmark = pytest.mark.slow

# Imported by the tests that use them: they take a second.
Read = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture
def exported(configured_sqlite: str, tmp_path: Path) -> Path:
    """A folder with everything as Parquet and as JSONL, and as Parquet without pixels."""
    fill(configured_sqlite)
    done("export", "all.parquet", "--include-unlabelled")
    done("export", "table.parquet", "--include-unlabelled", "--without-pixels")
    done("export", "all.jsonl", "--include-unlabelled", "--packed-pixels")
    return tmp_path


def by_pandas(file: Path) -> list[dict[str, Any]]:
    import pandas as pd

    if file.suffix == ".jsonl":
        frame = pd.read_json(file, lines=True, dtype=False, precise_float=True)
        frame["created_at"] = pd.to_datetime(frame["created_at"], utc=True)
    else:
        frame = pd.read_parquet(file)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{**row, "created_at": row["created_at"] and row["created_at"].to_pydatetime()} for row in rows]


def by_duckdb(file: Path) -> list[dict[str, Any]]:
    import duckdb

    table: pa.Table = duckdb.sql(f"SELECT * FROM '{file}' ORDER BY id").to_arrow_table()
    return table.to_pylist()


def by_datasets(file: Path) -> list[dict[str, Any]]:
    import datasets

    kind = {".jsonl": "json"}.get(file.suffix, "parquet")
    read = datasets.load_dataset(kind, data_files=str(file), split="train", cache_dir=str(file.parent / "cache"))
    return list(read)


@pytest.fixture(params=[by_pandas, by_duckdb, by_datasets], ids=["pandas", "duckdb", "datasets"])
def read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    reader: Read = request.param
    return reader


def in_order(values: Any) -> list[float] | None:
    """Scores as a list, from Parquet's lists or from JSON's objects."""
    return None if values is None else list(values.values() if isinstance(values, dict) else values)


def as_utc(time: datetime | None) -> datetime | None:
    """A time with its zone, which DuckDB and datasets drop from JSON; it is always UTC."""
    return time and time.replace(tzinfo=time.tzinfo or UTC)


def test_parquet_has_the_stored_values(exported: Path, read: Read) -> None:
    found = read(exported / "all.parquet")
    assert len(found) == len(ROWS)
    for row, stored in zip(found, ROWS, strict=True):
        drawing = drawing_of(stored.id) if with_drawing([stored]) else {"pixels": None, "scores": None}
        named = ("id", "prediction", "confidence", "model_version", "created_at", "notes", "label", "not_a_digit")
        assert {name: row[name] for name in named} == {name: getattr(stored, name) for name in named}
        assert row["pixels"] == drawing["pixels"]
        assert in_order(row["scores"]) == drawing["scores"]
        assert row["labelled"] is (stored.label is not None)


def test_parquet_without_pixels_has_the_other_values(exported: Path, read: Read) -> None:
    table, everything = read(exported / "table.parquet"), read(exported / "all.parquet")
    assert len(table) == len(ROWS)
    for row, whole in zip(table, everything, strict=True):
        del whole["pixels"]
        assert {**row, "scores": in_order(row["scores"])} == {**whole, "scores": in_order(whole["scores"])}


def test_jsonl_has_the_stored_values(exported: Path, read: Read) -> None:
    found = read(exported / "all.jsonl")
    for row, stored in zip(found, with_drawing(list(ROWS)), strict=True):
        named = ("id", "prediction", "confidence", "model_version", "notes", "label", "not_a_digit")
        assert {name: row[name] for name in named} == {name: getattr(stored, name) for name in named}
        assert zlib.decompress(base64.b64decode(row["pixels"])) == pixels_of(stored)
        assert as_utc(row["created_at"]) == stored.created_at


def test_manifest_describes_the_parquet_file(exported: Path) -> None:
    rows = by_duckdb(exported / "all.parquet")
    lines = (
        f"{row['id']},{hashlib.sha256(row['pixels']).hexdigest() if row['pixels'] else ''},{row['label'] or ''}\n"
        for row in rows
    )
    manifest = json.loads((exported / "all.parquet.manifest.json").read_text())
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == manifest["sha256"]
