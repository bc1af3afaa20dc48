"""The review queue: drawings that are most worth a person's look."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.classify import SCORES, SUMMARY
from app.schemas.types import Name

Reason = Literal["random", "smallest margin"]


class ReviewQuery(BaseModel):
    """How many drawings, and for whom. An unknown parameter is refused, never ignored."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(10, ge=1, le=100, description="How many, at most.")
    reviewer: Name | None = Field(
        None, description="Who asks: gets the own unlabelled ones again. Without a name each call is somebody else's."
    )


class ReviewItem(BaseModel):
    """One drawing that nobody has labelled, and what the model said."""

    id: int
    prediction: str
    confidence: float
    margin: float | None = Field(description="The highest score less the second highest; null where it is not known.")
    scores: dict[str, float]
    model_version: str
    created_at: datetime | None
    drawing: str = Field(description="Where the picture is.")
    reason: Reason = Field(description="Why it is offered. Those drawn at random measure the model's accuracy.")


class ReviewPage(BaseModel):
    """Drawings for one person to label, those drawn at random first."""

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
    reserved_until: datetime = Field(description="Nobody else is offered these before; UTC.")
