"""The bytes of export files."""

import base64
import csv
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from app.analysis import export_files
from app.analysis.export_files import CSV_COLUMNS, PIECE_SIZE, Array, ExportRow, is_test
from app.schemas.classify import ClassifyRequest
from app.schemas.results import ResultSummary
from tests.support.service import random_drawings

MANIFEST = b'{"format":"npz"}'
DRAWINGS = random_drawings(7)


def a_row(**overrides: Any) -> ExportRow:
    columns = {
        "id": 12,
        "prediction": "7",
        "confidence": 0.75,
        "not_a_digit": 0.125,
        "model_version": "v1",
        "created_at": datetime(2026, 11, 20, 9, 30, 0, 120000, UTC),
        "notes": None,
    }
    columns = {name: overrides.pop(name, value) for name, value in columns.items()}
    row = ExportRow(columns, "1", 1, "train", {"0": 0.25, "7": 0.75}, DRAWINGS[0].tobytes())
    return row._replace(**overrides)


def an_archive(*arrays: Array) -> bytes:
    return b"".join(export_files.npz(MANIFEST, arrays))


def images(drawings: np.ndarray) -> Array:
    return Array("x_train", np.uint8, drawings.shape, [drawing.tobytes() for drawing in drawings])


def csv_of(*rows: ExportRow) -> list[dict[str, str]]:
    text = b"".join(export_files.csv_table(rows)).decode()
    return list(csv.DictReader(StringIO(text, newline=""), strict=True))


def test_arrays_are_read_back_by_numpy_without_pickle() -> None:
    numbers = np.arange(5)
    archive = an_archive(images(DRAWINGS), Array("ids", numbers.dtype, numbers.shape, [numbers.tobytes()]))
    with np.load(BytesIO(archive), allow_pickle=False) as read:
        assert read.files == ["manifest.json", "x_train", "ids"]
        np.testing.assert_array_equal(read["x_train"], DRAWINGS, strict=True)
        np.testing.assert_array_equal(read["ids"], numbers, strict=True)
        assert read["manifest.json"] == MANIFEST


def test_array_without_elements_keeps_its_shape() -> None:
    with np.load(BytesIO(an_archive(images(DRAWINGS[:0]))), allow_pickle=False) as read:
        assert (read["x_train"].shape, read["x_train"].dtype) == ((0, 28, 28), np.uint8)


def test_archive_is_valid_for_other_programs() -> None:
    with ZipFile(BytesIO(an_archive(images(DRAWINGS)))) as archive:
        assert archive.testzip() is None
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_equal_arrays_give_equal_bytes_and_others_do_not() -> None:
    first, again, other = (an_archive(images(drawings)) for drawings in (DRAWINGS, DRAWINGS.copy(), 255 - DRAWINGS))
    assert first == again
    assert first != other


@pytest.mark.parametrize("write", [export_files.jsonl, export_files.csv_table])
def test_rows_are_read_lazily(write: Callable[[Iterator[ExportRow]], Iterator[bytes]]) -> None:
    rows = (a_row(id=i) for i in range(10_000))
    pieces = write(rows)
    next(pieces)
    assert 50 < next(rows).columns["id"] < 5_000


def test_no_piece_is_longer_than_the_limit() -> None:
    at_once = Array("x_test", np.uint8, (1000, 28, 28), [random_drawings(1000).tobytes()])
    for pieces in (list(export_files.jsonl(a_row() for _ in range(300))), list(export_files.npz(MANIFEST, [at_once]))):
        assert len(pieces) > 2
        assert {len(piece) for piece in pieces[:-1]} == {PIECE_SIZE}
        assert 0 < len(pieces[-1]) <= PIECE_SIZE


def test_json_line_is_a_valid_classify_request() -> None:
    line = json.loads(b"".join(export_files.jsonl([a_row()])))
    assert ClassifyRequest.model_validate({"pixels": line["pixels"]}, strict=True)
    np.testing.assert_array_equal(np.array(line["pixels"], np.uint8), DRAWINGS[0])


def test_json_line_has_every_column() -> None:
    line = json.loads(b"".join(export_files.jsonl([a_row(notes="größer\n„7“")])))
    del line["pixels"]
    assert line == {
        "id": 12,
        "label": "1",
        "labelled": True,
        "y": 1,
        "split": "train",
        "prediction": "7",
        "confidence": 0.75,
        "not_a_digit": 0.125,
        "scores": {"0": 0.25, "7": 0.75},
        "model_version": "v1",
        "created_at": "2026-11-20T09:30:00.120000Z",
        "notes": "größer\n„7“",
        "sha256": hashlib.sha256(DRAWINGS[0].tobytes()).hexdigest(),
    }


def test_packed_pixels_are_read_back_with_the_standard_library() -> None:
    shaded = np.tile(np.arange(28, dtype=np.uint8), (28, 1))
    drawings = [*DRAWINGS, np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8), shaded]
    rows = [a_row(id=i, pixels=drawing.tobytes()) for i, drawing in enumerate(drawings)]
    lines = list(map(json.loads, b"".join(export_files.jsonl(rows, export_files.line_with_packed_pixels)).splitlines()))
    assert [zlib.decompress(base64.b64decode(line["pixels"])) for line in lines] == [row.pixels for row in rows]


def test_lines_with_packed_pixels_and_without_pixels_have_the_other_columns_unchanged() -> None:
    row = a_row(notes="größer", scores=None)
    usual, packed, without = (
        json.loads(b"".join(export_files.jsonl([row], line)))
        for line in (
            export_files.line_with_pixels,
            export_files.line_with_packed_pixels,
            export_files.line_without_pixels,
        )
    )
    assert without == {name: value for name, value in usual.items() if name != "pixels"}
    del packed["pixels"]
    assert packed == {name: value for name, value in without.items() if name != "sha256"}


def test_line_without_a_drawing_has_no_pixels_in_any_form() -> None:
    for line in (export_files.line_with_pixels, export_files.line_with_packed_pixels):
        assert line(a_row(pixels=None))["pixels"] is None


def test_each_row_is_one_json_line() -> None:
    lines = b"".join(export_files.jsonl(a_row(id=i, notes="a\nb\r\u2028c") for i in range(3))).split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line)["id"] for line in lines] == [0, 1, 2]


def test_csv_has_a_header_and_line_ends_of_rfc_4180() -> None:
    text = b"".join(export_files.csv_table([a_row()]))
    sha256 = hashlib.sha256(DRAWINGS[0].tobytes()).hexdigest()
    assert text.decode() == (
        "id,sha256,label,y,labelled,split,prediction,confidence,not_a_digit,model_version,created_at,notes\r\n"
        f"12,{sha256},1,1,true,train,7,0.75,0.125,v1,2026-11-20T09:30:00.120000Z,\r\n"
    )


def test_csv_has_every_column_that_the_api_lists() -> None:
    assert set(ResultSummary.model_fields) < set(CSV_COLUMNS)


def test_csv_without_rows_is_a_header() -> None:
    assert b"".join(export_files.csv_table([])).decode() == ",".join(CSV_COLUMNS) + "\r\n"


def test_json_lines_without_rows_are_empty() -> None:
    assert list(export_files.jsonl([])) == []


def test_none_is_an_empty_cell() -> None:
    (read,) = csv_of(a_row(label=None, y=None, split=None, created_at=None, pixels=None))
    assert {name for name, value in read.items() if value == ""} == {
        "sha256",
        "label",
        "y",
        "split",
        "created_at",
        "notes",
    }
    assert read["labelled"] == "false"


@pytest.mark.parametrize(
    "notes", ["a,b", 'say "7"', "two\nlines", "two\r\nlines", "größer 七", " =1", "'=1", "a=1", ""]
)
def test_text_round_trips_through_csv(notes: str) -> None:
    first, second = csv_of(a_row(notes=notes), a_row(id=13))
    assert (first["notes"], second["id"]) == (notes, "13")


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
@pytest.mark.parametrize("column", ["notes", "model_version", "prediction"])
def test_formula_in_a_cell_is_quoted(begin: str, column: str) -> None:
    wicked = f'{begin}HYPERLINK("http://example.com","7")'
    (read,) = csv_of(a_row(**{column: wicked}))
    assert read[column] == f"'{wicked}"


def test_split_follows_the_documented_rule() -> None:
    for drawing in random_drawings(50):
        pixels = drawing.tobytes()
        share = int(hashlib.sha256(b"7" + pixels).hexdigest()[:16], 16) / 2**64
        assert is_test(pixels, "7", 0.3) == (share < 0.3)


def test_test_share_is_the_share_of_test_drawings() -> None:
    tested = sum(is_test(drawing.tobytes(), "0", 0.2) for drawing in random_drawings(5000))
    # Within four standard deviations, of fixed drawings.
    assert 887 < tested < 1113
    assert not any(is_test(drawing.tobytes(), "0", 0) for drawing in random_drawings(100))


def test_another_seed_gives_another_split() -> None:
    sides = {
        seed: [is_test(drawing.tobytes(), seed, 0.5) for drawing in random_drawings(64)] for seed in ("0", "1", "ü")
    }
    assert sides["0"] != sides["1"] != sides["ü"] != sides["0"]


def test_larger_share_only_moves_drawings_to_the_test_split() -> None:
    for drawing in random_drawings(200):
        pixels = drawing.tobytes()
        assert is_test(pixels, "0", 0.5) or not is_test(pixels, "0", 0.1)
