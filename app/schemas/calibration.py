from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.types import Query, Since, Text, Until

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
    """A tenth of the labelled predictions, of similar confidence."""

    count: int
    lowest: float = Field(serialization_alias="from", description="The lowest confidence in the bin.")
    highest: float = Field(serialization_alias="to", description="The highest confidence in the bin.")
    mean_confidence: float
    accuracy: float = Field(description="The share that was correct. Equal to the mean confidence if well calibrated.")
    interval: tuple[float, float] = Field(description="The 95 % Wilson score interval of the accuracy.")


class Calibration(BaseModel):
    """Confidence compared with accuracy on the labelled predictions."""

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
    labelled: int = Field(description="The number of labelled predictions.")
    needed: int = Field(description="The number of labelled predictions that the bins need.")
    mean_confidence: float | None = Field(description="Of all labelled predictions; null without any.")
    accuracy: float | None = Field(description="The share that was correct. The label `none` makes any wrong.")
    expected_calibration_error: float | None = Field(
        description="The mean difference of confidence and accuracy, 0 to 1; null without enough labels."
    )
    bins: list[CalibrationBin] = Field(
        description="Ten of equal size, lowest confidence first; empty without enough labels."
    )


class CalibrationQuery(Query):
    model_version: Text | None = Field(
        None, min_length=1, max_length=255, description="Only predictions of this version."
    )
    since: Since = None
    until: Until = None
    sample: Literal["all", "random"] = Field(
        "all",
        description="random: only the random samples of `/review`, which do not favour doubtful drawings.",
    )
