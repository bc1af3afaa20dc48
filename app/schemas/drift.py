from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.types import Moment, Query, Text, Until

DRAWINGS_NEEDED = 300
MAX_WINDOW = 10_000
MAX_REFERENCE = 50_000

SHARES: Final = ("confidence", "not_a_digit")
SIGNALS: Final = ("digits", *SHARES, "ink", "peak", "box", "offset_x", "offset_y", "stroke_width")

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
    """One of the two sets of drawings that are compared."""

    count: int
    since: datetime | None = Field(description="The time of the oldest drawing.")
    until: datetime | None = Field(description="The time of the newest drawing.")


class Thresholds(BaseModel):
    """DRIFT_P_VALUE and DRIFT_PSI: a signal drifts if `adjusted_p` is below `p` and `psi` reaches `psi_threshold`."""

    p: float
    psi: float


class DriftHistogram(BaseModel):
    """The distribution of a signal, for display. The PSI uses other bins."""

    edges: list[float] = Field(description="The edges of bins of equal width, one more than the bins.")
    window: list[float] = Field(description="The share of the window's drawings in each bin.")
    reference: list[float] = Field(description="The same for the reference.")


class DriftSignal(BaseModel):
    """A property of the drawings or answers, compared."""

    name: str = Field(description=f"{', '.join(SIGNALS[:-1])} or {SIGNALS[-1]}.")
    test: Literal["chi-square", "kolmogorov-smirnov"]
    statistic: float
    p: float = Field(description="The probability of such a difference by chance.")
    adjusted_p: float = Field(description="`p` corrected for the number of signals (Holm). This value decides.")
    psi: float = Field(description="The population stability index, the size of the difference.")
    psi_threshold: float = Field(description="`thresholds.psi` plus the index to expect by chance at this size.")
    drifted: bool
    window: float | dict[str, float] = Field(description="The mean; for digits the share of each digit.")
    reference: float | dict[str, float] = Field(description="The same for the reference.")
    histogram: DriftHistogram


class Drift(BaseModel):
    """Whether recent drawings and answers differ from earlier ones."""

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
    needed: int = Field(description="The number of drawings that window and reference need.")
    window: Window
    reference: Window
    thresholds: Thresholds
    signals: list[DriftSignal] = Field(
        description="Empty without enough drawings; `not_a_digit` needs enough that have it."
    )


class DriftQuery(Query):
    last: int | None = Field(
        None,
        ge=DRAWINGS_NEEDED,
        le=MAX_WINDOW,
        description="The number of newest drawings; 1,000 by default.",
    )
    reference_last: int | None = Field(
        None, ge=DRAWINGS_NEEDED, le=MAX_REFERENCE, description="The number of drawings before them; 10,000 by default."
    )
    since: Moment | None = Field(
        None, description="Instead of `last`: drawings at this time or later, at most the newest 10,000."
    )
    until: Until = None
    reference_since: Moment | None = Field(
        None, description="Instead of `reference_last`: drawings at this time or later, at most the newest 50,000."
    )
    reference_until: Moment | None = Field(None, description="Before this time; `since` by default.")
    model_version: Text | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="Only drawings that this version classified. Answers of two models differ without any drift.",
    )
