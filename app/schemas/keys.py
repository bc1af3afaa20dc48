from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

from app.schemas.types import Hours, Moment, Query, Text


class Scope(StrEnum):
    """What a key may do."""

    CLASSIFY = "classify"
    READ = "read"
    LABEL = "label"
    ADMIN = "admin"


KeyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

_RATE = Field(description="Drawings, such as `100/minute`; null: RATE_LIMIT for each address.")
_SCOPES: Any = ["classify", "read"]
_CURRENT: Any = {"name": "phone", "scopes": _SCOPES, "expires_at": "2027-07-31T00:00:00Z"}
_KEY: Any = {
    **_CURRENT,
    "prefix": "pw_Jx0aQ2",
    "rate_limit": "100/minute",
    "created_at": "2026-11-20T09:30:00.123456Z",
    "revoked_at": None,
    "last_used_at": None,
    "previous_until": None,
}


class KeyCreate(BaseModel):
    """A new key."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "phone", "scopes": _SCOPES}]})

    name: KeyName = Field(description="Letters, digits, `.`, `_` and `-`. It is never used for another key.")
    scopes: Annotated[list[Scope], FailFast()] = Field(
        min_length=1, max_length=len(Scope), description="What the key may do."
    )
    rate_limit: Annotated[Text | None, _RATE] = Field(None, max_length=100)
    expires_at: Moment | None = Field(None, description="The key is refused from then on; null: never.")


class RotateQuery(Query):
    overlap_hours: Hours = Field(24, description="How long the old secret is accepted beside the new one.")


class CurrentKey(BaseModel):
    """The key of the request."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CURRENT]})

    name: str
    scopes: list[str]
    expires_at: datetime | None


class KeyRead(CurrentKey):
    """A key, without its secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [_KEY]})

    prefix: str = Field(description="The first characters of the secret.")
    rate_limit: Annotated[str | None, _RATE]
    created_at: datetime | None = Field(description="null if the stored time is invalid.")
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="Up to a minute late.")
    previous_until: datetime | None = Field(description="Until then the secret before the rotation is accepted.")


class KeyWithSecret(KeyRead):
    """A key with its secret, which is shown only once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_KEY, "key": "pw_Jx0aQ2..."}]})

    key: str = Field(description="The secret, for `X-API-Key`.")


class KeyList(BaseModel):
    """All keys, revoked ones too, by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": [_KEY]}]})

    keys: list[KeyRead]
