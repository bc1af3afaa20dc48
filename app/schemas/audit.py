from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.problems import EXAMPLE_ID
from app.schemas.types import Query, Since, Text, Until

_ENTRY: Any = {
    "id": 5,
    "at": "2026-11-20T09:31:00.5Z",
    "key": "phone",
    "action": "label",
    "record": "prediction 17",
    "request_id": EXAMPLE_ID,
}


class Action(StrEnum):
    """What is recorded in the audit log."""

    DRAWING = "drawing"
    REVIEW = "review"
    EXPORT = "export"
    LABEL = "label"
    NOTES = "notes"
    DELETE = "delete"
    PRUNE = "prune"
    CREATE_KEY = "create-key"
    ROTATE_KEY = "rotate-key"
    REVOKE_KEY = "revoke-key"


class AuditQuery(Query):
    action: Action | None = Field(None, description="What was done.")
    key: Text | None = Field(None, min_length=1, max_length=255, description="The name of the key.")
    since: Since = None
    until: Until = None
    limit: int = Field(100, ge=1, le=1000, description="The maximum number.")
    cursor: str | None = Field(None, min_length=1, max_length=200, description="`next` of the previous page.")


class AuditEntryRead(BaseModel):
    """Who did what."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    id: int
    at: datetime | None = Field(description="null if the stored time is invalid.")
    key: str = Field(description="The name of the key, or `command line` and the name of the user.")
    action: str
    record: str = Field(description="What it was done to, such as `prediction 17` or `key phone`.")
    request_id: str | None = Field(description="The X-Request-ID of the request; null for the command line.")


class AuditPage(BaseModel):
    """Entries of the audit log, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entries": [_ENTRY], "next": "MQ"}]})

    entries: list[AuditEntryRead]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
