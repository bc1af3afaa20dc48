"""What is exported, and the manifest that says what it holds."""

import json
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.results import ResultFilters
from app.schemas.types import Text

MAX_TEST_SHARE = 0.5


class ExportFormat(StrEnum):
    """What kind of file an export is; the value is the end of its name."""

    NPZ = "npz"
    JSONL = "jsonl"
    CSV = "csv"


class ExportQuery(ResultFilters):
    """The parameters of an export: the conditions of the list, and how its rows are written."""

    format: ExportFormat = Field(
        ExportFormat.NPZ,
        description="`npz`: arrays laid out as Keras lays out MNIST; `jsonl`: one row a line, with its drawing; "
        "`csv`: a table for people, without the drawings.",
    )
    include_unlabelled: bool = Field(
        False, description="Also what nobody labelled, with the model's own answer standing in for a label."
    )
    test_share: float = Field(
        0.1, ge=0, le=MAX_TEST_SHARE, allow_inf_nan=False, description="The share of drawings kept for testing."
    )
    seed: Text = Field(
        "0",
        min_length=1,
        max_length=64,
        description="Divides drawings for training and for testing in another way. The same seed keeps every drawing "
        "on its side in all exports.",
    )


class ExportSplit(BaseModel):
    """How the drawings were divided."""

    rule: str
    seed: str
    test_share: float


class ExportCounts(BaseModel):
    """How many rows there are. All of them are training, test, none, without a drawing or without a digit."""

    rows: int
    train: int
    test: int
    none: int = Field(description="Labelled as no digit.")
    without_drawing: int = Field(description="In a CSV file only.")
    without_digit: int = Field(description="Unlabelled, with an answer that is no digit; in a CSV file only.")
    unlabelled: int = Field(description="Of those for training and testing: with the model's own answer.")
    per_digit: dict[str, int] = Field(description="Of those for training and testing.")


_MANIFEST: Any = {
    "format": "npz",
    "created_at": "2026-11-20T09:32:00.25Z",
    "app_version": "0.9.0",
    "schema_revision": "0004",
    "query": {"format": "npz", "include_unlabelled": False, "test_share": 0.1, "seed": "0", "model_version": "v1"},
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
    "model_versions": {"v1": 101},
    "rows_of_other_versions": 0,
    "sha256": "915fbc1c16f1c5b66aa0d7c424fc75a00c857025c0b2a60581088c204bec36d9",
}


class ExportManifest(BaseModel):
    """What an export holds and where it came from. Two exports of the same rows have the same `sha256`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MANIFEST]})

    format: ExportFormat
    created_at: datetime
    app_version: str
    schema_revision: str
    query: dict[str, Any]
    split: ExportSplit
    counts: ExportCounts
    model_versions: dict[str, int] = Field(description="Rows by model version; the twenty with the most.")
    rows_of_other_versions: int
    sha256: str = Field(
        description="Over every row's id, the SHA-256 of its drawing and its label, whatever the format."
    )

    def one_line(self) -> str:
        """Return it as JSON in ASCII, as short as it can be."""
        return json.dumps(self.model_dump(mode="json"), separators=(",", ":"))


EXAMPLE_MANIFEST = ExportManifest.model_validate(_MANIFEST)
