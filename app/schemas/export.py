import json
import operator
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app import __version__
from app.schemas.results import ResultFilters
from app.schemas.types import Text

MAX_TEST_SHARE = 0.5


class ExportFormat(StrEnum):
    """The file format of an export."""

    NPZ = "npz"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class ExportQuery(ResultFilters):
    format: ExportFormat = Field(
        ExportFormat.NPZ,
        description="`npz`: arrays laid out as Keras lays out MNIST; `jsonl`: one row a line, with its drawing; "
        "`csv`: a table for people, without the drawings; `parquet`: a table for DuckDB, pandas and other programs.",
    )
    include_unlabelled: bool = Field(
        False, description="Include unlabelled drawings, with the prediction as their label."
    )
    test_share: float = Field(
        0.1, ge=0, le=MAX_TEST_SHARE, allow_inf_nan=False, description="The share of drawings in the test split."
    )
    seed: Text = Field(
        "0",
        min_length=1,
        max_length=64,
        description="Divides drawings for training and for testing in another way. The same seed keeps every drawing "
        "on its side in all exports.",
    )
    without_pixels: bool = Field(
        False, exclude_if=operator.not_, description="Leave out the pixels. A CSV file never has them."
    )
    packed_pixels: bool = Field(
        False,
        exclude_if=operator.not_,
        description="Only for `jsonl`: write the pixels as base64 of their 784 bytes compressed by zlib, and no "
        "`sha256`; a quarter of the size.",
    )


class ExportSplit(BaseModel):
    rule: str
    seed: str
    test_share: float


class ExportCounts(BaseModel):
    rows: int = Field(description="The sum of the next five counts.")
    train: int
    test: int
    none: int = Field(description="Labelled `none`.")
    without_drawing: int = Field(description="Only in CSV and Parquet files.")
    without_digit: int = Field(
        description="Unlabelled, and the prediction is not a digit; only in CSV and Parquet files."
    )
    unlabelled: int = Field(description="Training and test rows with the prediction as their label.")
    per_digit: dict[str, int] = Field(description="Training and test rows.")


_MANIFEST: Any = {
    "format": "npz",
    "created_at": "2026-11-20T09:32:00.25Z",
    "app_version": __version__,
    "schema_revision": "0016",
    "query": {"format": "npz", "include_unlabelled": False, "test_share": 0.1, "seed": "0", "model_version": "v2"},
    "split": {"rule": "test: SHA-256(seed + pixels) below test_share", "seed": "0", "test_share": 0.1},
    "counts": {
        "rows": 101,
        "train": 90,
        "test": 9,
        "none": 2,
        "without_drawing": 0,
        "without_digit": 0,
        "unlabelled": 0,
        "per_digit": {str(digit): 11 if digit == 1 else 9 if digit else 16 for digit in range(10)},
    },
    "model_versions": {"v2": 101},
    "rows_of_other_versions": 0,
    "sha256": "915fbc1c16f1c5b66aa0d7c424fc75a00c857025c0b2a60581088c204bec36d9",
}


class ExportManifest(BaseModel):
    """What an export contains. Two exports of the same rows have the same `sha256`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MANIFEST]})

    format: ExportFormat
    created_at: datetime
    app_version: str
    schema_revision: str
    query: dict[str, Any]
    split: ExportSplit
    counts: ExportCounts
    model_versions: dict[str, int] = Field(description="Rows by model version, the twenty most frequent ones.")
    rows_of_other_versions: int
    sha256: str = Field(
        description="Over the id, the SHA-256 of the drawing, and the label of every row, in any format."
    )

    def one_line(self) -> str:
        """Return compact JSON in ASCII."""
        return json.dumps(self.model_dump(mode="json"), separators=(",", ":"))


EXAMPLE_MANIFEST = ExportManifest.model_validate(_MANIFEST)
