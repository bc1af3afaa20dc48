from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.drawings.shape import DIGITS
from app.schemas.types import Moment, Query, Since, Text, Until

MAX_LAST = 1_000_000

# FastAPI leaves out the name of a null in an example.
ACCURACY: Any = {
    "labelled": 40,
    "correct": 38,
    "not_a_digit": 1,
    "accuracy": 0.95,
    "interval": [0.834961, 0.986179],
    "accuracy_of_digits": 0.974359,
    "digit_or_not": {"none": 1, "none_found": 1, "digits": 39, "digits_refused": 0},
}
_RANDOM: Any = {
    "labelled": 8,
    "correct": 8,
    "not_a_digit": 0,
    "accuracy": 1.0,
    "interval": [0.675592, 1.0],
    "accuracy_of_digits": 1.0,
    "digit_or_not": {"none": 0, "none_found": 0, "digits": 8, "digits_refused": 0},
}
_REST: Any = {
    "labelled": 32,
    "correct": 30,
    "not_a_digit": 1,
    "accuracy": 0.9375,
    "interval": [0.798529, 0.982689],
    "accuracy_of_digits": 0.967742,
    "digit_or_not": {"none": 1, "none_found": 1, "digits": 31, "digits_refused": 0},
}
_CONFIDENCE: Any = {"count": 100, "mean_confidence": 0.981204}
_STATS: Any = {
    **_CONFIDENCE,
    "not_a_digit_share": 0.03,
    "digits": {digit: {"count": 10, "mean_confidence": 0.981204} for digit in DIGITS},
    "model_versions": {"v2": {**_CONFIDENCE, "not_a_digit_share": 0.03, "accuracy": ACCURACY}},
    "accuracy": ACCURACY,
}


NOT_A_DIGIT_SHARE: Final = Field(
    description="The share of predictions with a `not_a_digit` above 0.5, among those that have one; null without."
)


class DigitOrNot(BaseModel):
    """How well the model tells digits from other drawings, of the labelled predictions that have `not_a_digit`."""

    none: int = Field(description="Those labelled `none`.")
    none_found: int = Field(description="Of these, those with a `not_a_digit` above 0.5.")
    digits: int = Field(description="Those labelled with a digit.")
    digits_refused: int = Field(description="Of these, those with a `not_a_digit` above 0.5.")


class LabelledAccuracy(BaseModel):
    """How often the predicted digit equals the current label. The label `none` makes any wrong."""

    labelled: int
    correct: int
    not_a_digit: int = Field(description="The number of labels `none`.")
    accuracy: float | None = Field(description="The share that is correct; null without labels.")
    interval: tuple[float, float] | None = Field(description="The 95 % Wilson score interval.")
    accuracy_of_digits: float | None = Field(
        description="The share that is correct of drawings labelled with a digit; null without."
    )
    digit_or_not: DigitOrNot | None = Field(description="Null if no labelled prediction has `not_a_digit`.")


class Confidence(BaseModel):
    """The number of predictions and their mean confidence."""

    count: int
    mean_confidence: float | None = Field(description="0 to 1; null without predictions.")


class VersionStats(Confidence):
    not_a_digit_share: float | None = NOT_A_DIGIT_SHARE
    accuracy: LabelledAccuracy


class ConfidenceBin(BaseModel):
    """Predictions with a confidence from `from` up to, but not including, `to`. The last bin includes 1."""

    lower: float = Field(serialization_alias="from")
    upper: float = Field(serialization_alias="to")
    count: int


class PredictionStats(Confidence):
    """Predictions by digit and by model version."""

    not_a_digit_share: float | None = NOT_A_DIGIT_SHARE
    digits: dict[str, Confidence] = Field(description="By prediction; all ten digits are present.")
    model_versions: dict[str, VersionStats]
    accuracy: LabelledAccuracy = Field(description="Of all labelled predictions.")


class Stats(PredictionStats):
    """Statistics of the selected predictions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_STATS,
                    "since": "2026-11-20T09:30:00.123456Z",
                    "until": "2026-11-20T17:12:45.654321Z",
                    "confidence_histogram": [
                        {"from": lower / 10, "to": (lower + 1) / 10, "count": {7: 3, 8: 4, 9: 93}.get(lower, 0)}
                        for lower in range(10)
                    ],
                    "accuracy_random": _RANDOM,
                    "accuracy_rest": _REST,
                }
            ]
        }
    )

    since: datetime | None = Field(description="The time of the oldest prediction.")
    until: datetime | None = Field(description="The time of the newest prediction.")
    confidence_histogram: list[ConfidenceBin]
    accuracy_random: LabelledAccuracy = Field(
        description="Of the random samples of `/review`. Unbiased: the other labels favour doubtful drawings."
    )
    accuracy_rest: LabelledAccuracy = Field(description="Of all other labelled predictions.")


class StatsQuery(Query):
    last: int | None = Field(None, ge=1, le=MAX_LAST, description="The number of newest ones; not with since or until.")
    since: Since = None
    until: Until = None
    model_version: Text | None = Field(
        None, min_length=1, max_length=255, description="Only predictions of this version."
    )


BucketSize = Literal["hour", "day", "week"]


class Bucket(PredictionStats):
    start: datetime


class Timeline(BaseModel):
    """Statistics by hour, day or week."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "bucket": "day",
                    "buckets": [{"start": "2026-11-20T00:00:00Z", **_STATS}],
                }
            ]
        }
    )

    bucket: BucketSize
    buckets: list[Bucket] = Field(description="Ordered by time, without gaps.")


class TimelineQuery(Query):
    bucket: BucketSize = Field("day", description="In UTC; a week begins on Monday.")
    since: Moment | None = Field(
        None, description="At this time or later; by default the start of the bucket 48 hours, 30 days or 26 weeks ago."
    )
    until: Moment | None = Field(None, description="Before this time; now by default.")
    model_version: Text | None = Field(
        None, min_length=1, max_length=255, description="Only predictions of this version."
    )
