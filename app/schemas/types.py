"""What texts and times may be that come from outside."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

# A + in a query string means a space, so the zone of a time that was pasted into one arrives as ` 00:00`.
_SPACE_BEFORE_ZONE = re.compile(r"(.+[T ]\d\d:\d\d\S*) (\d\d:?\d\d)")
_EARLIEST, _LATEST = 1900, 9000


def _plus_restored(value: Any) -> Any:
    if isinstance(value, str) and (parts := _SPACE_BEFORE_ZONE.fullmatch(value)):
        return f"{parts[1]}+{parts[2]}"
    return value


def _utc(value: datetime) -> datetime:
    # Far enough from the ends of the calendar that no zone can carry it over one of them.
    if not _EARLIEST <= value.year <= _LATEST:
        raise ValueError(f"the year must lie between {_EARLIEST} and {_LATEST}")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _storable(value: str) -> str:
    # PostgreSQL stores no NUL, and UTF-8 has no halves of surrogate pairs.
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must not hold NUL or half a surrogate pair")
    return value


LAST_ID: Final = 2**31 - 1
"""PostgreSQL's INTEGER ends here; no row can have a greater id."""

Moment = Annotated[datetime, BeforeValidator(_plus_restored), AfterValidator(_utc)]
"""A time, RFC 3339; one without a zone is UTC."""

Text = Annotated[str, AfterValidator(_storable)]
"""A text that every database can store."""

Name = Annotated[Text, Field(min_length=1, max_length=64)]
Label = Annotated[str, Field(pattern="^([0-9]|none)$")]
"""A person's word on a drawing: a digit, or `none` for "not a digit"."""
