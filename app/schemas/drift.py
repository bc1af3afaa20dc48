"""Drift: a window of drawings and answers compared with a reference."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.types import Moment, Text

DRAWINGS_NEEDED = 300
MAX_WINDOW = 10_000
MAX_REFERENCE = 50_000
_DIGITS: Any = {
    "name": "digits",
    "test": "chi-square",
    "statistic": 8.71,
    "p": 0.4646,
    "adjusted_p": 1,
    "psi": 0.0089,
    "psi_threshold": 0.1099,
    "drifted": False,
    "window": {str(digit): 0.1 for digit in range(10)},
    "reference": {str(digit): 0.1 for digit in range(10)},
    "histogram": {"edges": list(range(11)), "window": [0.1] * 10, "reference": [0.1] * 10},
}
_INK: Any = {
    "name": "ink",
    "test": "kolmogorov-smirnov",
    "statistic": 0.8432,
    "p": 0,
    "adjusted_p": 0,
    "psi": 6.1207,
    "psi_threshold": 0.1099,
    "drifted": True,
    "window": 221.8,
    "reference": 33.2,
    "histogram": {"edges": [0, 85, 170, 255], "window": [0, 0, 1], "reference": [0.99, 0.01, 0]},
}


class Window(BaseModel):
    """The drawings that are compared."""

    count: int
    since: datetime | None = Field(description="When the oldest of them came.")
    until: datetime | None = Field(description="When the newest of them came.")


class Thresholds(BaseModel):
    """What a signal must reach to count as drift, both at once: DRIFT_P_VALUE and DRIFT_PSI."""

    p: float
    psi: float


class DriftHistogram(BaseModel):
    """How the values of both spread, for people to look at; the index has bins of its own."""

    edges: list[float] = Field(description="Where the bins begin, all of the same width, and where the last one ends.")
    window: list[float] = Field(description="The share of the drawings in each bin.")
    reference: list[float] = Field(description="The same of the reference.")


class DriftSignal(BaseModel):
    """One property of the drawings or the answers, compared."""

    name: str = Field(description="digits, confidence, ink, peak, box, offset_x, offset_y or stroke_width.")
    test: Literal["chi-square", "kolmogorov-smirnov"]
    statistic: float
    p: float = Field(description="How likely such a difference is by chance.")
    adjusted_p: float = Field(description="The same, corrected for the number of signals (Holm). This one decides.")
    psi: float = Field(description="The population stability index: how large the difference is.")
    psi_threshold: float = Field(description="`thresholds.psi` and what the index is by chance in such windows.")
    drifted: bool
    window: float | dict[str, float] = Field(description="The mean; for digits the share of each.")
    reference: float | dict[str, float] = Field(description="The same of the reference.")
    histogram: DriftHistogram


class Drift(BaseModel):
    """Whether the newest drawings and answers are like those before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "drift",
                    "needed": DRAWINGS_NEEDED,
                    "window": {"count": 1000, "since": "2026-11-20T09:30:00.123456Z", "until": "2026-11-20T17:12:45Z"},
                    "reference": {"count": 10000, "since": "2026-11-09T08:02:11Z", "until": "2026-11-20T09:29:58.5Z"},
                    "thresholds": {"p": 0.01, "psi": 0.1},
                    "signals": [_DIGITS, _INK],
                }
            ]
        }
    )

    status: Literal["no drift", "drift", "not enough data"]
    needed: int = Field(description="How many drawings each of the two must have.")
    window: Window
    reference: Window
    thresholds: Thresholds
    signals: list[DriftSignal] = Field(description="Empty without enough data.")


class DriftQuery(BaseModel):
    """What is compared with what: by number, the newest with those right before them, or by time."""

    model_config = ConfigDict(extra="forbid")

    last: int | None = Field(
        None, ge=DRAWINGS_NEEDED, le=MAX_WINDOW, description="The newest drawings, so many; 1,000 if nothing is said."
    )
    reference_last: int | None = Field(
        None, ge=DRAWINGS_NEEDED, le=MAX_REFERENCE, description="Those right before; 10,000 if nothing is said."
    )
    since: Moment | None = Field(
        None, description="Instead of `last`: what came at this time or later, of that the newest 10,000."
    )
    until: Moment | None = Field(None, description="Before this time.")
    reference_since: Moment | None = Field(
        None, description="Instead of `reference_last`: what came at this time or later, of that the newest 50,000."
    )
    reference_until: Moment | None = Field(None, description="Before this time; `since` if nothing is said.")
    model_version: Text | None = Field(None, max_length=255, description="Drawings that this version answered alone.")
