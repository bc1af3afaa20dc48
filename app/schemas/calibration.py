"""Calibration: confidence compared with how often people found the answers right."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.types import Moment, Text

LABELS_NEEDED = 200

_BIN: Any = {
    "count": 25,
    "from": 0.4127,
    "to": 0.8204,
    "mean_confidence": 0.6931,
    "accuracy": 0.64,
    "interval": [0.445, 0.798],
}


class CalibrationBin(BaseModel):
    """A tenth of the judged answers, of about the same confidence."""

    count: int
    lowest: float = Field(serialization_alias="from", description="The lowest confidence among them.")
    highest: float = Field(serialization_alias="to", description="The highest.")
    mean_confidence: float
    accuracy: float = Field(description="The share that was right; an honest model has its mean confidence here.")
    interval: tuple[float, float] = Field(description="The accuracy's 95 % Wilson score interval.")


class Calibration(BaseModel):
    """How sure the model was beside how often it was right, on what people labelled."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "ok",
                    "labelled": 250,
                    "needed": LABELS_NEEDED,
                    "mean_confidence": 0.9512,
                    "accuracy": 0.944,
                    "expected_calibration_error": 0.0214,
                    "bins": [_BIN],
                }
            ]
        }
    )

    status: Literal["ok", "not enough data"]
    labelled: int = Field(description="How many predictions with a label there are; only the last label counts.")
    needed: int = Field(description="How many it takes.")
    mean_confidence: float | None = Field(description="Of all that are labelled; null when there are none.")
    accuracy: float | None = Field(description="The share that was right. A label `none` makes any answer wrong.")
    expected_calibration_error: float | None = Field(
        description="The mean distance of confidence and accuracy, 0 to 1, over the bins; null without enough labels."
    )
    bins: list[CalibrationBin] = Field(description="Ten of equal size, the least sure first; none without enough.")


class CalibrationQuery(BaseModel):
    """Whose answers are judged."""

    model_config = ConfigDict(extra="forbid")

    model_version: Text | None = Field(None, max_length=255, description="Those of this version alone.")
    since: Moment | None = Field(None, description="At this time or later; RFC 3339, UTC unless it says otherwise.")
    until: Moment | None = Field(None, description="Before this time.")
    sample: Literal["all", "random"] = Field(
        "all", description="random: only what `/review` drew at random, which does not favour the doubtful."
    )
