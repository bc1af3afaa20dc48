"""The service in numbers: how many answers, how sure they were, and how many of them people found right."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.drawings.shape import DIGITS
from app.schemas.types import Moment, Text

MAX_LAST = 1_000_000

# No example has a null: FastAPI would leave its name out.
ACCURACY: Any = {"labelled": 40, "correct": 38, "not_a_digit": 1, "accuracy": 0.95, "interval": [0.834961, 0.986179]}
_RANDOM: Any = {"labelled": 8, "correct": 8, "not_a_digit": 0, "accuracy": 1.0, "interval": [0.675592, 1.0]}
_REST: Any = {"labelled": 32, "correct": 30, "not_a_digit": 1, "accuracy": 0.9375, "interval": [0.798529, 0.982689]}
_CONFIDENCE: Any = {"count": 100, "mean_confidence": 0.981204}
_STATS: Any = {
    **_CONFIDENCE,
    "digits": {digit: {"count": 10, "mean_confidence": 0.981204} for digit in DIGITS},
    "model_versions": {"v1": {**_CONFIDENCE, "accuracy": ACCURACY}},
    "accuracy": ACCURACY,
}


class Accuracy(BaseModel):
    """How often the label that counts is what was answered. A drawing that is no digit was answered wrongly."""

    labelled: int
    correct: int
    not_a_digit: int = Field(description="How many of the labelled ones are `none`.")
    accuracy: float | None = Field(description="The share that is correct; null when nothing is labelled.")
    interval: tuple[float, float] | None = Field(description="Its 95 % Wilson score interval.")


class Confidence(BaseModel):
    """How many answers there are, and how sure they were on the average."""

    count: int
    mean_confidence: float | None = Field(description="0 to 1; null when there are none.")


class VersionStats(Confidence):
    """The same of one model version, and how often it was right."""

    accuracy: Accuracy


class ConfidenceBin(BaseModel):
    """The answers at least as sure as `from` and less sure than `to`; the last bin holds 1 as well."""

    lower: float = Field(serialization_alias="from")
    upper: float = Field(serialization_alias="to")
    count: int


class PredictionStats(Confidence):
    """Answers counted by digit and by model version."""

    digits: dict[str, Confidence] = Field(description="By what was answered; all ten digits are always there.")
    model_versions: dict[str, VersionStats]
    accuracy: Accuracy = Field(description="Of all that people labelled.")


class Stats(PredictionStats):
    """The predictions that were asked for, in numbers."""

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

    since: datetime | None = Field(description="When the oldest of them was made.")
    until: datetime | None = Field(description="When the newest of them was made.")
    confidence_histogram: list[ConfidenceBin]
    accuracy_random: Accuracy = Field(
        description="Of those that `/review` drew at random: the unbiased one. People see more of the doubtful rest."
    )
    accuracy_rest: Accuracy = Field(description="Of the others.")


class StatsQuery(BaseModel):
    """Which predictions are counted; all of them when nothing is said."""

    model_config = ConfigDict(extra="forbid")

    last: int | None = Field(None, ge=1, le=MAX_LAST, description="The newest ones, so many; not with a time.")
    since: Moment | None = Field(None, description="At this time or later; RFC 3339, UTC unless it says otherwise.")
    until: Moment | None = Field(None, description="Before this time.")
    model_version: Text | None = Field(None, max_length=255, description="Those of this version alone.")


BucketSize = Literal["hour", "day", "week"]


class Bucket(PredictionStats):
    """One hour, day or week in numbers."""

    start: datetime


class Timeline(BaseModel):
    """The predictions hour by hour, day by day or week by week."""

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
    buckets: list[Bucket] = Field(description="In order of time, without a gap.")


class TimelineQuery(BaseModel):
    """The time that is divided, and into what."""

    model_config = ConfigDict(extra="forbid")

    bucket: BucketSize = Field("day", description="In UTC; a week begins on Monday.")
    since: Moment | None = Field(
        None, description="From this time on; by default the beginning of the bucket 48 hours, 30 days or 26 weeks ago."
    )
    until: Moment | None = Field(None, description="Before this time; by default now.")
    model_version: Text | None = Field(None, max_length=255, description="Those of this version alone.")
