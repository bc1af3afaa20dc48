"""Types of input values."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from app.drawings.shape import NOT_A_DIGIT

# An unescaped + in a query string arrives as a space: `2026-11-20T09:30:00 00:00`.
_SPACE_BEFORE_ZONE = re.compile(r"(.+[T ]\d\d:\d\d\S*) (\d\d:?\d\d)")
_EARLIEST, _LATEST = 1900, 9000


def _plus_restored(value: Any) -> Any:
    if isinstance(value, str) and (parts := _SPACE_BEFORE_ZONE.fullmatch(value)):
        return f"{parts[1]}+{parts[2]}"
    return value


def _utc(value: datetime) -> datetime:
    # No time zone can move such a year out of datetime's range.
    if not _EARLIEST <= value.year <= _LATEST:
        raise ValueError(f"the year must lie between {_EARLIEST} and {_LATEST}")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _storable(value: str) -> str:
    # PostgreSQL stores no NUL, UTF-8 no lone surrogate.
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must not hold NUL or half a surrogate pair")
    return value


LAST_ID: Final = 2**31 - 1
"""The maximum of PostgreSQL's INTEGER."""

Moment = Annotated[datetime, BeforeValidator(_plus_restored), AfterValidator(_utc)]
"""A time, RFC 3339; UTC without a zone."""

Text = Annotated[str, AfterValidator(_storable)]
"""A text that every database can store."""

Name = Annotated[Text, Field(min_length=1, max_length=64)]
Label = Annotated[str, Field(pattern=f"^([0-9]|{NOT_A_DIGIT})$")]
"""A digit, or `none` for a drawing that is not a digit."""
