from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.classify import SCORES, SUMMARY, NotADigit
from app.schemas.problems import EXAMPLE_ID
from app.schemas.types import Label, Query, Since, Text, Until

MAX_NOTES = 2000


class ResultSummary(BaseModel):
    """A stored prediction, as listed."""

    id: int
    prediction: str
    confidence: float
    not_a_digit: NotADigit
    model_version: str
    created_at: datetime | None = Field(description="UTC; null for rows of version 0.5 without a time.")
    label: str | None = Field(description="The last label: a digit, or `none` if it is not a digit.")
    notes: str | None


class ResultsPage(BaseModel):
    """Stored predictions, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"results": [{**SUMMARY, "label": "1", "notes": "with a bar"}], "next": "MQ"}]}
    )

    results: list[ResultSummary]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


class Result(ResultSummary):
    """A stored prediction with all its details."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **SUMMARY,
                    "label": "1",
                    "notes": "with a bar",
                    "request_id": EXAMPLE_ID,
                    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                    "scores": SCORES,
                },
            ]
        }
    )

    request_id: str | None = Field(description="The X-Request-ID of the request.")
    trace_id: str | None = Field(description="The trace of the request; null if it had no `traceparent`.")
    scores: dict[str, float] | None = Field(description="The probability of each digit; null for rows of version 0.5.")
    hint: str | None = Field(
        None, exclude_if=lambda hint: hint is None, description="Only for a drawing that may be inverted: what to do."
    )


class ResultFilters(Query):
    """Filters for predictions; all must match."""

    prediction: Text | None = Field(None, min_length=1, max_length=64, description="The predicted digit.")
    label: Label | None = Field(None, description="The last label: 0 to 9 or `none`.")
    model_version: Text | None = Field(None, min_length=1, max_length=255)
    min_confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    max_confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    min_not_a_digit: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="Above 0.5 a drawing is probably not a digit."
    )
    since: Since = None
    until: Until = None
    labelled: bool | None = Field(None, description="true: only labelled ones; false: only unlabelled ones.")
    notes_contains: Text | None = Field(
        None, min_length=1, max_length=200, description="A part of the notes; case-insensitive for A to Z."
    )

    def given(self) -> set[str]:
        """Return the filters that are set."""
        return {name for name in ResultFilters.model_fields if getattr(self, name) is not None}


class ResultsQuery(ResultFilters):
    limit: int = Field(20, ge=1, le=1000, description="The maximum number.")
    cursor: str | None = Field(None, min_length=1, max_length=200, description="`next` of the previous page.")


class NotesUpdate(BaseModel):
    """New notes for a prediction."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"notes": "with a bar"}]})

    notes: Text | None = Field(max_length=MAX_NOTES, description="null removes them.")
