"""Remembered predictions: listed, found, looked at one by one."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.classify import SCORES, SUMMARY
from app.schemas.problems import EXAMPLE_ID
from app.schemas.types import Label, Moment, Text

MAX_NOTES = 2000


class ResultSummary(BaseModel):
    """One remembered prediction, as listed."""

    id: int
    prediction: str
    confidence: float
    model_version: str
    created_at: datetime | None = Field(description="UTC; null for rows that an older version wrote without a time.")
    label: str | None = Field(description="What a person said last: a digit, or `none` for not a digit.")
    notes: str | None


class ResultsPage(BaseModel):
    """Remembered predictions, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"results": [{**SUMMARY, "label": "1", "notes": "with a bar"}], "next": "MQ"}]}
    )

    results: list[ResultSummary]
    next: str | None = Field(description="The `cursor` of the page after this one; null on the last page.")


class Result(ResultSummary):
    """One remembered prediction with all that is known of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**SUMMARY, "label": "1", "notes": "with a bar", "request_id": EXAMPLE_ID, "scores": SCORES},
            ]
        }
    )

    request_id: str | None = Field(description="The X-Request-ID of the request that made it.")
    scores: dict[str, float] | None = Field(description="Null for rows written before version 0.6.")


class ResultFilters(BaseModel):
    """Which predictions are meant; all of the conditions together. An unknown one is refused, never ignored."""

    model_config = ConfigDict(extra="forbid")

    prediction: Text | None = Field(None, max_length=64, description="What the model said.")
    label: Label | None = Field(None, description="What a person said last: 0 to 9 or `none`.")
    model_version: Text | None = Field(None, max_length=255)
    min_confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    max_confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    since: Moment | None = Field(None, description="At this time or later; RFC 3339, UTC unless it says otherwise.")
    until: Moment | None = Field(None, description="Before this time.")
    labelled: bool | None = Field(None, description="true: with a person's label; false: without one.")
    notes_contains: Text | None = Field(
        None, min_length=1, max_length=200, description="Part of the notes; A to Z match in either case."
    )


class ResultsQuery(ResultFilters):
    """The parameters of the list."""

    limit: int = Field(20, ge=1, le=1000, description="How many, at most.")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before.")


class NotesUpdate(BaseModel):
    """New notes for a prediction."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"notes": "with a bar"}]})

    notes: Text | None = Field(max_length=MAX_NOTES, description="null takes them away.")
