"""What people say about a drawing."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.types import Label, Name

_LABEL: Any = {"label": "1", "source": "anna", "created_at": "2026-11-20T09:31:00.5Z"}


class LabelUpdate(BaseModel):
    """A person's word on a drawing. Saying again what the model said confirms it, and counts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"label": "1", "source": "anna"}]})

    label: Label = Field(description="0 to 9, or `none` for not a digit.")
    source: Name | None = Field(None, description="Who says so; the name of the key when nothing is given.")


class LabelRead(BaseModel):
    """One word of one person."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LABEL]})

    label: str
    source: str
    created_at: datetime


class LabelHistory(BaseModel):
    """All that was said about a drawing, the newest first: that one counts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"labels": [_LABEL]}]})

    labels: list[LabelRead]
