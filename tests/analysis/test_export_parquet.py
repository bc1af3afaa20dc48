"""Parquet files: types, values, row groups."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.analysis import export_parquet
from app.analysis.export_files import PIECE_SIZE, ExportRow
from app.analysis.export_parquet import COLUMNS, ROW_GROUP_SIZE, parquet
from app.schemas.results import ResultSummary
from tests.support.service import random_drawings

MANIFEST = b'{"format":"parquet"}'
PIXELS = random_drawings(1)[0].tobytes()
AT = datetime(2026, 11, 20, 9, 30, 0, 123456, UTC)
SCORES = {str(digit): digit / 45 for digit in range(10)}


def a_row(id_: int = 12, **overrides: Any) -> ExportRow:
    columns = {
        "id": id_,
        "prediction": "7",
        "confidence": 0.123457,
        "not_a_digit": 0.000001,
        "model_version": "v1",
        "created_at": AT,
        "notes": "größer\n„7“",
    }
    columns = {name: overrides.pop(name, value) for name, value in columns.items()}
    return ExportRow(columns, "1", 1, "train", SCORES, PIXELS)._replace(**overrides)


def file_of(*rows: ExportRow, with_pixels: bool = True) -> BytesIO:
    return BytesIO(b"".join(parquet(MANIFEST, rows, with_pixels=with_pixels)))


def test_every_value_is_read_back() -> None:
    assert pq.read_table(file_of(a_row())).to_pylist() == [
        {
            "id": 12,
            "label": "1",
            "y": 1,
            "labelled": True,
            "split": "train",
            "prediction": "7",
            "confidence": 0.123457,
            "not_a_digit": 0.000001,
            "model_version": "v1",
            "created_at": AT,
            "notes": "größer\n„7“",
            "scores": list(SCORES.values()),
            "pixels": PIXELS,
        }
    ]


def test_missing_values_are_null() -> None:
    nothing = dict.fromkeys(("not_a_digit", "created_at", "notes", "label", "y", "split", "scores", "pixels"))
    (read,) = pq.read_table(file_of(a_row(**nothing))).to_pylist()
    assert {name for name, value in read.items() if value is None} == nothing.keys()
    assert read["labelled"] is False


def test_columns_have_types() -> None:
    types = dict(zip(COLUMNS, pq.read_schema(file_of()).types, strict=True))
    assert types["created_at"] == pa.timestamp("us", "UTC")
    # Programs such as datasets 5.0 cannot read binary values of a fixed size.
    assert types["pixels"] == pa.binary()
    assert types["scores"] == pa.list_(pa.float64())
    assert (types["id"], types["y"], types["labelled"]) == (pa.int64(), pa.int8(), pa.bool_())
    assert {types[name] for name in ("label", "split", "prediction", "model_version", "notes")} == {pa.string()}


def test_file_has_every_column_that_the_api_lists() -> None:
    assert set(ResultSummary.model_fields) < set(COLUMNS)


def test_pixels_can_be_left_out() -> None:
    table = pq.read_table(file_of(a_row(pixels=None), with_pixels=False))
    assert table.equals(pq.read_table(file_of(a_row())).drop_columns("pixels"))


def test_file_without_rows_has_the_columns() -> None:
    table = pq.read_table(file_of())
    assert (table.num_rows, tuple(table.column_names)) == (0, COLUMNS)


def test_manifest_is_in_the_metadata() -> None:
    assert pq.read_schema(file_of(a_row())).metadata[b"manifest"] == MANIFEST


def test_repeated_texts_take_no_space() -> None:
    group = pq.ParquetFile(file_of(*(a_row(i) for i in range(10_000)))).metadata.row_group(0)
    sizes = {column.path_in_schema: column.total_compressed_size for column in map(group.column, range(len(COLUMNS)))}
    assert max(size for name, size in sizes.items() if name not in ("scores.list.element", "pixels")) < 500
    assert group.column(COLUMNS.index("model_version")).compression == "ZSTD"


def test_lengths_of_the_pixels_take_no_space() -> None:
    drawings = [drawing.tobytes() for drawing in random_drawings(1_000)]
    group = pq.ParquetFile(
        file_of(*(a_row(i, pixels=drawing) for i, drawing in enumerate(drawings)))
    ).metadata.row_group(0)
    assert group.column(COLUMNS.index("pixels")).total_uncompressed_size < 784 * 1_000 + 500


def test_rows_are_read_a_group_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.analysis.export_files.PIECE_SIZE", 100)
    rows = iter([a_row(i) for i in range(3 * ROW_GROUP_SIZE)])
    pieces = parquet(MANIFEST, rows, with_pixels=False)
    next(pieces)
    assert next(rows).columns["id"] == ROW_GROUP_SIZE


def test_rows_of_several_groups_stay_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_parquet, "ROW_GROUP_SIZE", 1500)
    file = pq.ParquetFile(file_of(*(a_row(i) for i in range(4000))))
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [1500, 1500, 1000]
    assert file.read(["id"])["id"].to_pylist() == list(range(4000))


def test_no_piece_is_longer_than_the_limit() -> None:
    def rows() -> Iterator[ExportRow]:
        for i, drawing in enumerate(random_drawings(2000)):
            yield a_row(i, pixels=drawing.tobytes())

    pieces = list(parquet(MANIFEST, rows(), with_pixels=True))
    assert len(pieces) > 2
    assert {len(piece) for piece in pieces[:-1]} == {PIECE_SIZE}
    assert 0 < len(pieces[-1]) <= PIECE_SIZE
