"""Opaque cursors that hold the last position of a page."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from app.repository.results import Position
from app.schemas.types import LAST_ID
from app.services.errors import InvalidInput

T = TypeVar("T")


def next_cursor(rows: Sequence[T], limit: int, position: Callable[[T], Position]) -> str | None:
    """Return the cursor after the page's last row; a row above the limit shows a next page."""
    return cursor_of(position(rows[limit - 1])) if len(rows) > limit else None


def cursor_of(position: Position) -> str:
    time = position.created_at and position.created_at.isoformat()
    text = json.dumps([position.id, time], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(cursor: str) -> Position:
    """Return the position; raise InvalidInput unless `cursor_of` can have made the cursor."""
    try:
        id_, time = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        position = Position(id_, None if time is None else datetime.fromisoformat(time))
    except (ValueError, TypeError, RecursionError):
        raise _invalid() from None
    is_utc = position.created_at is None or position.created_at.tzinfo is UTC
    if type(id_) is not int or not 0 < id_ <= LAST_ID or not is_utc or cursor_of(position) != cursor:
        raise _invalid()
    return position


def _invalid() -> InvalidInput:
    return InvalidInput("cursor", "is invalid; omit it to start at the first page")
