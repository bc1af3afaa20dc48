from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.types import Label, Name

MAX_LISTED = 1000

_LABEL: Any = {"label": "1", "source": "anna", "created_at": "2026-11-20T09:31:00.5Z"}


class LabelUpdate(BaseModel):
    """A label for a drawing. A label that equals the prediction counts, too."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"label": "1", "source": "anna"}]})

    label: Label = Field(description="0 to 9, or `none` if it is not a digit.")
    source: Name | None = Field(None, description="Who labels; the name of the key by default.")


class LabelRead(BaseModel):
    """A label and who gave it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LABEL]})

    label: str
    source: str
    created_at: datetime | None = Field(description="null if the stored time is invalid.")


class LabelHistory(BaseModel):
    """The newest 1,000 labels of a drawing, newest first. The first counts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"labels": [_LABEL]}]})

    labels: list[LabelRead]
