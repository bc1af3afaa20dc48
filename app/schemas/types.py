"""Types of input values."""

import re
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from app.drawings.shape import NOT_A_DIGIT

# An unescaped + in a query string arrives as a space: `2026-11-20T09:30:00 00:00`.
_SPACE_BEFORE_ZONE: Final = re.compile(r"(\S{10}[Tt ]\d\d:\d\d\S*) (\d\d:?\d\d)")
_TIME: Final = (
    "^(19[0-9]{2}|[2-8][0-9]{3}|9000)-[0-9]{2}-[0-9]{2}"
    "([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
_A_TIME: Final = "a date or an RFC 3339 time from 1900 to 9000, such as 2026-11-20 or 2026-11-20T09:30:00Z"
_FIRST, _END = datetime(1900, 1, 1, tzinfo=UTC), datetime(9001, 1, 1, tzinfo=UTC)


# `True` is what Python's str() makes of it.
_FORMS: Final = {
    int: ("-?[0-9]+", "a whole number in decimal digits"),
    float: ("-?[0-9]+([.][0-9]+)?", "a decimal number, such as 0.25"),
    bool: ("true|false|True|False", "true or false"),
    datetime: (_TIME, _A_TIME),
}


def _error(what: str) -> PydanticCustomError:
    return PydanticCustomError("format", "Input should be {what}", {"what": what})


def _check_form(kind: Any, value: Any) -> Any:
    """Refuse what pydantic would accept, such as 1_0, or a number as a time."""
    if kind is datetime and isinstance(value, int | float):
        raise _error(_A_TIME)
    if isinstance(value, str) and kind in _FORMS:
        pattern, what = _FORMS[kind]
        if not re.fullmatch(pattern, value):
            raise _error(what)
    return value


def _plus_restored(value: Any) -> Any:
    if isinstance(value, str) and (parts := _SPACE_BEFORE_ZONE.fullmatch(value)):
        return f"{parts[1]}+{parts[2]}"
    return value


def _utc(value: datetime) -> datetime:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if not _FIRST <= aware < _END:
        raise _error(_A_TIME)
    return aware.astimezone(UTC)


LAST_ID: Final = 2**63 - 1
"""The maximum in SQLite."""

_DECIMAL: Final = BeforeValidator(partial(_check_form, int))
# Behind a validator the bounds would not be in the JSON schema.
Id = Annotated[int, Field(ge=1, le=LAST_ID), _DECIMAL]
Port = Annotated[int, Field(ge=1, le=65535), _DECIMAL]
Hours = Annotated[int, Field(ge=0, le=720), _DECIMAL]
PositiveInteger = Annotated[int, Field(ge=1), _DECIMAL]
Flag = Annotated[bool, BeforeValidator(partial(_check_form, bool))]

Moment = Annotated[
    datetime,
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _TIME}),
    # Validators run from the last to the first.
    AfterValidator(_utc),
    BeforeValidator(partial(_check_form, datetime)),
    BeforeValidator(_plus_restored),
]
"""A time or the start of a day, 1900 to 9000; UTC without a zone."""

Since = Annotated[
    Moment | None,
    Field(description="At this time or later: RFC 3339 or a date, 1900 to 9000; UTC if it has no zone."),
]
Until = Annotated[Moment | None, Field(description="Before this time.")]

# PostgreSQL stores no NUL.
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""A text that every database can store."""

Name = Annotated[Text, Field(min_length=1, max_length=64)]
Label = Annotated[str, Field(pattern=f"^([0-9]|{NOT_A_DIGIT})$")]
"""A digit, or `none` for a drawing that is not a digit."""


class Query(BaseModel):
    """Parameters, which arrive as texts."""

    # FastAPI hides a warning while it adds routes.
    model_config = ConfigDict(extra="forbid", defer_build=False)

    @field_validator("*", mode="before")
    @classmethod
    def _check_text(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name
        kind = cls.model_fields[info.field_name].annotation
        return _check_form((get_args(kind) or (kind,))[0], value)
