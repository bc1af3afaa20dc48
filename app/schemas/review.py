from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.classify import SCORES, SUMMARY, NotADigit
from app.schemas.types import Name, Query

Reason = Literal["random", "smallest margin", "not a digit"]
Queue = Literal["uncertain", "not_a_digit"]


class ReviewQuery(Query):
    limit: int = Field(10, ge=1, le=100, description="The maximum number.")
    queue: Queue = Field(
        "uncertain",
        description="`uncertain`: the digits with the smallest margins, and random samples; `not_a_digit`: what the "
        "model takes for no digit, newest first.",
    )
    reviewer: Name | None = Field(
        None,
        description="The same reviewer gets unlabelled drawings again. Without a name, each call is new.",
    )


class ReviewItem(BaseModel):
    """An unlabelled drawing and the prediction for it."""

    id: int
    prediction: str
    confidence: float
    not_a_digit: NotADigit
    margin: float | None = Field(description="The highest score minus the second highest; null if unknown.")
    scores: dict[str, float] | None
    model_version: str
    created_at: datetime | None
    drawing: str = Field(description="The path of the image.")
    reason: Reason = Field(description="Why it was chosen. Random samples measure the accuracy.")


class ReviewPage(BaseModel):
    """Drawings to label next."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "results": [
                        {
                            **SUMMARY,
                            "margin": 0.99,
                            "scores": SCORES,
                            "drawing": "/results/1/drawing.png",
                            "reason": "random",
                        }
                    ],
                    "reserved_until": "2026-11-20T09:40:00.123456Z",
                }
            ]
        }
    )

    results: list[ReviewItem]
    reserved_until: datetime = Field(description="No other reviewer gets them before this time; UTC.")
