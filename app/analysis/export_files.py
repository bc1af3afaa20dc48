"""Write NPZ, JSON Lines and CSV files."""

import csv
import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from io import BytesIO, RawIOBase, StringIO
from itertools import chain
from typing import Any, Final, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from app.drawings.shape import rows_of
from app.schemas.results import ResultSummary

# In bytes; a slow client must receive a piece within a minute.
PIECE_SIZE: Final = 256 * 1024

SPLIT_RULE: Final = (
    "test: the first 8 bytes of SHA-256(seed, then the 784 pixels), as a share of 2^64, below test_share"
)

# A higher level takes three times as long and saves a tenth of the bytes.
_LEVEL = 1

# See https://owasp.org/www-community/attacks/CSV_Injection
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

CSV_COLUMNS: Final = (
    "id",
    "sha256",
    "label",
    "y",
    "labelled",
    "split",
    *(name for name in ResultSummary.model_fields if name not in ("id", "label")),
)


class ExportRow(NamedTuple):
    """`y` is None if not a digit; `pixels` are 784 bytes or None."""

    columns: Mapping[str, Any]
    """Those of the prediction, by name."""
    label: str | None
    y: int | None
    split: str | None
    scores: dict[str, float] | None
    pixels: bytes | None


class Array(NamedTuple):
    """`parts` are bytes in C order."""

    name: str
    dtype: npt.DTypeLike
    shape: tuple[int, ...]
    parts: Iterable[bytes]


def is_test(pixels: bytes, seed: str, test_share: float) -> bool:
    """Return whether a drawing is in the test split; the same seed always gives the same answer."""
    digest = hashlib.sha256(seed.encode() + pixels).digest()
    return int.from_bytes(digest[:8], "big") < test_share * 2**64


def npz(manifest: bytes, arrays: Iterable[Array]) -> Iterator[bytes]:
    """Write a file for `numpy.load(file, allow_pickle=False)`; equal arrays give equal bytes."""
    return in_pieces(_zipped(manifest, arrays))


def _zipped(manifest: bytes, arrays: Iterable[Array]) -> Iterator[bytes]:
    sink = Sink()
    members = chain(
        [("manifest.json", [manifest])], ((f"{a.name}.npy", chain([_npy_header(a)], a.parts)) for a in arrays)
    )
    with ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, parts in members:
            # The size is unknown and may exceed 4 GB.
            with archive.open(name, "w", force_zip64=True) as member:
                for part in parts:
                    member.write(part)
                    yield sink.take()
    yield sink.take()


class Sink(RawIOBase):
    """A file whose content is taken while it is written."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def _npy_header(array: Array) -> bytes:
    header = BytesIO()
    description = npy.dtype_to_descr(np.dtype(array.dtype))
    npy.write_array_header_1_0(header, {"descr": description, "fortran_order": False, "shape": array.shape})
    return header.getvalue()


def line_without_pixels(row: ExportRow) -> dict[str, Any]:
    return {**_values(row), "scores": row.scores}


def line_with_pixels(row: ExportRow) -> dict[str, Any]:
    """Return a line whose pixels are as `POST /classify` takes them."""
    return {**line_without_pixels(row), "pixels": row.pixels and rows_of(row.pixels)}


def line_with_packed_pixels(row: ExportRow) -> dict[str, Any]:
    """Return a short line; its SHA-256 follows from the pixels, which are compressed by zlib, as base64."""
    pixels = row.pixels and b64encode(zlib.compress(row.pixels)).decode()
    return {**row.columns, **label_values(row), "scores": row.scores, "pixels": pixels}


def jsonl(rows: Iterable[ExportRow], line: Callable[[ExportRow], dict[str, Any]] = line_with_pixels) -> Iterator[bytes]:
    encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
    return in_pieces(encode(line(row)) + b"\n" for row in rows)


def _values(row: ExportRow) -> dict[str, Any]:
    return {**row.columns, "sha256": _sha256(row.pixels), **label_values(row)}


def label_values(row: ExportRow) -> dict[str, Any]:
    return {"label": row.label, "y": row.y, "labelled": row.label is not None, "split": row.split}


def csv_table(rows: Iterable[ExportRow]) -> Iterator[bytes]:
    """Write CSV (RFC 4180, UTF-8), without drawings, safe for spreadsheets."""
    return in_pieces(_csv_lines(rows))


def _csv_lines(rows: Iterable[ExportRow]) -> Iterator[bytes]:
    text = StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in _values(row).items()})
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def formula_safe(text: str) -> str:
    return f"'{text}" if text.startswith(_BEGINS_FORMULA) else text


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return formula_safe(value) if isinstance(value, str) else value


def _sha256(pixels: bytes | None) -> str | None:
    return None if pixels is None else hashlib.sha256(pixels).hexdigest()


def in_pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for part in parts:
        waiting += part
        while len(waiting) >= PIECE_SIZE:
            yield bytes(waiting[:PIECE_SIZE])
            del waiting[:PIECE_SIZE]
    if waiting:
        yield bytes(waiting)
