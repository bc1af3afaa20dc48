"""The one form of every error."""

from typing import Literal

from pydantic import BaseModel, Field

EXAMPLE_ID = "7d0e9a2f5c1b4f0e8a6b3c2d1e0f9a8b"


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
    stored: Literal["unknown"] | None = Field(
        None, description="With 503: the database did not answer the commit. Without it nothing was stored."
    )
    checks: dict[str, str] | None = Field(None, description="With 503 of `/health/ready`: each check's outcome.")
