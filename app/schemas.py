"""The shapes of the API: what is accepted, what is answered, with examples. Knows neither web nor database."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

SIDE = 28


def _plain_seven() -> list[list[int]]:
    """Draw a 7 for the documentation: a bar above a stem that leans to the left on its way down."""

    def is_ink(row: int, column: int) -> bool:
        stem = 20 - (row - 5) // 2
        return (row in (4, 5) and 7 <= column <= 21) or (6 <= row <= 23 and stem - 1 <= column <= stem)

    return [[230 if is_ink(row, column) else 0 for column in range(SIDE)] for row in range(SIDE)]


SEVEN: Any = _plain_seven()
EXAMPLE_ID = "7d0e9a2f5c1b4f0e8a6b3c2d1e0f9a8b"
SCORES: Any = {str(digit): 0.991 if digit == 7 else 0.001 for digit in range(10)}

_SUMMARY: Any = {
    "id": 1,
    "prediction": "7",
    "confidence": 0.991,
    "model_version": "v1",
    "created_at": "2026-11-20T09:30:00.123456Z",
}

Pixel = Annotated[int, Field(ge=0, le=255)]
# The first wrong pixel is the answer; the other 783 would not say more.
Row = Annotated[list[Pixel], Field(min_length=SIDE, max_length=SIDE), FailFast()]
Pixels = Annotated[list[Row], Field(min_length=SIDE, max_length=SIDE), FailFast()]


class ClassifyRequest(BaseModel):
    """One drawing: 28 rows of 28 whole numbers from 0 (background) to 255 (ink)."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"pixels": SEVEN}]})

    pixels: Pixels


class ClassifyResponse(BaseModel):
    """The answer to a drawing. When it arrives, the row with this id is on disk."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_SUMMARY, "scores": SCORES}]})

    id: int
    prediction: str = Field(description="The likeliest digit.")
    confidence: float = Field(description="The probability of that digit, 0 to 1.")
    scores: dict[str, float] = Field(description="The probability of each digit.")
    model_version: str
    created_at: datetime


class ResultSummary(BaseModel):
    """One remembered prediction, as listed."""

    id: int
    prediction: str
    confidence: float
    model_version: str
    created_at: datetime | None = Field(description="UTC; null for rows that an older version wrote without a time.")


class ResultsPage(BaseModel):
    """Remembered predictions, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"results": [_SUMMARY]}]})

    results: list[ResultSummary]


class Result(ResultSummary):
    """One remembered prediction with all that is known of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_SUMMARY, "notes": "with a bar", "request_id": EXAMPLE_ID, "scores": SCORES}]
        }
    )

    notes: str | None
    request_id: str | None = Field(description="The X-Request-ID of the request that made it.")
    scores: dict[str, float] | None = Field(description="Null for rows written before version 0.6.")


class ResultsQuery(BaseModel):
    """The parameters of the list. An unknown one is refused: a mistyped filter must not answer with everything."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=1000, description="How many, at most.")


class Health(BaseModel):
    """The process answers."""

    status: str = Field("ok", examples=["ok"])


class HealthWithModel(Health):
    """The process answers, and with which model."""

    model_version: str = Field(examples=["v1"])


class Readiness(BaseModel):
    """Whether a drawing sent now would be classified and remembered."""

    status: str = Field("ready", examples=["ready"])
    checks: dict[str, str] = Field(examples=[{"model": "ok", "schema": "ok", "write": "ok"}])


class FieldError(BaseModel):
    """Where a request is wrong, and why. What was sent is never repeated."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """Every error of the API, after RFC 9457."""

    type: str = Field("about:blank", description="What kind of problem; `about:blank` says no more than the status.")
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do, for people.")
    request_id: str
    errors: list[FieldError] | None = Field(None, description="With 422: each place that is wrong.")
    checks: dict[str, str] | None = Field(None, description="With 503 of `/health/ready`: each check's outcome.")
