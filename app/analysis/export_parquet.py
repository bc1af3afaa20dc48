"""Write Parquet files; needs pyarrow, which is an optional package."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from app.analysis.export_files import ExportRow, Sink, in_pieces, label_values

# The steps of an export run in several threads; Arrow's other pools keep what each of them has freed.
_POOL: Final = pa.system_memory_pool()
pa.set_memory_pool(_POOL)

# Rows held in memory: 6 MB with pixels.
ROW_GROUP_SIZE: Final = 8_192
_BATCH_SIZE: Final = 1_024

# Hugging Face's datasets before 5.1 cannot read a fixed size.
_PIXELS: Final = pa.field("pixels", pa.binary())
# SHA-256 would take more than all other columns, and follows from the pixels.
_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("y", pa.int8()),
        pa.field("labelled", pa.bool_(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("prediction", pa.string(), nullable=False),
        pa.field("confidence", pa.float64(), nullable=False),
        pa.field("not_a_digit", pa.float64()),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("created_at", pa.timestamp("us", "UTC")),
        pa.field("notes", pa.string()),
        # By digit; float64 takes a tenth more than float32, and holds the values of the other formats.
        pa.field("scores", pa.list_(pa.float64())),
        _PIXELS,
    ]
)
COLUMNS: Final = tuple(_SCHEMA.names)

# Ascending integers take a byte or two as differences, equal lengths nothing. All else repeats.
_ENCODINGS: Final = {
    "id": "DELTA_BINARY_PACKED",
    "created_at": "DELTA_BINARY_PACKED",
    _PIXELS.name: "DELTA_LENGTH_BYTE_ARRAY",
}
_REPEATED: Final = ["scores.list.element", *(name for name in COLUMNS if name not in _ENCODINGS)]


def parquet(manifest: bytes, rows: Iterable[ExportRow], *, with_pixels: bool) -> Iterator[bytes]:
    schema = _SCHEMA if with_pixels else _SCHEMA.remove(_SCHEMA.get_field_index(_PIXELS.name))
    return in_pieces(_written(schema.with_metadata({"manifest": manifest}), iter(rows)))


def _written(schema: pa.Schema, rows: Iterator[ExportRow]) -> Iterator[bytes]:
    sink = Sink()
    with pq.ParquetWriter(
        pa.PythonFile(sink, "w"),
        schema,
        compression="zstd",
        use_dictionary=_REPEATED,
        column_encoding=_ENCODINGS,
        write_statistics=[name for name in schema.names if name != _PIXELS.name],
    ) as writer:
        while batches := list(_batches(schema, islice(rows, ROW_GROUP_SIZE))):
            writer.write_table(pa.Table.from_batches(batches), ROW_GROUP_SIZE)
            yield sink.take()
            _POOL.release_unused()
    yield sink.take()


def _batches(schema: pa.Schema, rows: Iterator[ExportRow]) -> Iterator[pa.RecordBatch]:
    while batch := list(islice(rows, _BATCH_SIZE)):
        yield pa.RecordBatch.from_pylist(list(map(_values, batch)), schema)


def _values(row: ExportRow) -> dict[str, Any]:
    scores = row.scores and list(row.scores.values())
    return {**row.columns, **label_values(row), "scores": scores, "pixels": row.pixels}
