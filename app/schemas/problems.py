from typing import Literal

from pydantic import BaseModel, Field

EXAMPLE_ID = "7d0e9a2f5c1b4f0e8a6b3c2d1e0f9a8b"


class FieldError(BaseModel):
    """An invalid place of a request. The sent value is never repeated."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """Every error of the API, as RFC 9457 defines it."""

    type: str = Field("about:blank", description="`about:blank` means that the status says it all.")
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do.")
    request_id: str
    errors: list[FieldError] | None = Field(None, description="With 422: the invalid places; of a list, the first.")
    stored: Literal["unknown"] | None = Field(
        None, description="With 503: the database did not answer the commit. If absent, nothing was stored."
    )
    checks: dict[str, str] | None = Field(None, description="With 503 of `/health/ready`: the result of each check.")
