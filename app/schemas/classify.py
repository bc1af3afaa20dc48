from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

from app.drawings.shape import SIDE

MAX_BATCH = 1000


def _plain_seven() -> list[list[int]]:
    def is_ink(row: int, column: int) -> bool:
        stem = 20 - (row - 5) // 2
        return (row in (4, 5) and 7 <= column <= 21) or (6 <= row <= 23 and stem - 1 <= column <= stem)

    return [[230 if is_ink(row, column) else 0 for column in range(SIDE)] for row in range(SIDE)]


SEVEN: Any = _plain_seven()
SCORES: Any = {str(digit): 0.991 if digit == 7 else 0.001 for digit in range(10)}

SUMMARY: Any = {
    "id": 1,
    "prediction": "7",
    "confidence": 0.991,
    "not_a_digit": 0.000214,
    "model_version": "v2",
    "created_at": "2026-11-20T09:30:00.123456Z",
}

NotADigit = Annotated[
    float | None,
    Field(description="The probability that the drawing is not a digit, 0 to 1; null if the model does not tell."),
]

Pixel = Annotated[int, Field(ge=0, le=255, description="Without a decimal point: 219, not 219.0.")]
# One error is enough: the other 783 pixels would add nothing.
Row = Annotated[list[Pixel], Field(min_length=SIDE, max_length=SIDE), FailFast()]
PixelRows = Annotated[list[Row], Field(min_length=SIDE, max_length=SIDE), FailFast()]


class ClassifyRequest(BaseModel):
    """One drawing: 28 rows of 28 integers from 0 (background) to 255 (ink)."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"pixels": SEVEN}]})

    pixels: PixelRows


class BatchRequest(BaseModel):
    """Up to 1,000 drawings."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"images": [SEVEN, SEVEN]}]})

    images: Annotated[list[PixelRows], Field(min_length=1, max_length=MAX_BATCH), FailFast()]


class ClassifyResponse(BaseModel):
    """The answer to a drawing. The row with this id is on disk."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**SUMMARY, "scores": SCORES}]})

    id: int
    prediction: str = Field(description="The most likely digit.")
    confidence: float = Field(description="The probability of that digit, 0 to 1.")
    not_a_digit: NotADigit
    scores: dict[str, float] = Field(description="The probability of each digit.")
    model_version: str
    created_at: datetime


class PreviewResponse(BaseModel):
    """The answer to a drawing that is not stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **{name: SUMMARY[name] for name in ("prediction", "confidence", "not_a_digit", "model_version")},
                    "scores": SCORES,
                    "normalised": SEVEN,
                }
            ]
        }
    )

    prediction: str = Field(description="The most likely digit.")
    confidence: float = Field(description="The probability of that digit, 0 to 1.")
    not_a_digit: NotADigit
    scores: dict[str, float] = Field(description="The probability of each digit.")
    model_version: str
    normalised: list[list[int]] = Field(description="The normalised input of the model, 28 x 28.")


class BatchResponse(BaseModel):
    """The answers to a batch, in the order of its drawings. All rows are on disk."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"results": [{**SUMMARY, "scores": SCORES}]}]})

    results: list[ClassifyResponse]
