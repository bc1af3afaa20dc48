"""A time span divided into whole hours, whole days, and the rest."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

Period = Literal["hour", "day"]

_LENGTH: Final[dict[Period, timedelta]] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
# Later times have no next day.
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)


class Part(NamedTuple):
    """A part of a time span; `until` is exclusive. Without a period it is not whole hours."""

    period: Period | None
    since: datetime | None
    until: datetime | None


def divided(since: datetime | None, until: datetime | None, periods: Sequence[Period]) -> list[Part]:
    """Divide into parts of these periods, shortest period first."""
    if since is not None and since > _LAST:
        return [Part(None, since, until)]
    return _divided(None, since, until, periods)


def _divided(
    outer: Period | None, since: datetime | None, until: datetime | None, periods: Sequence[Period]
) -> list[Part]:
    if not periods:
        return [Part(outer, since, until)]
    period, *longer = periods
    length = _LENGTH[period]
    first = None if since is None else since + (_FIRST - since) % length
    last = None if until is None else until - (until - _FIRST) % length
    if first is not None and last is not None and first >= last:
        return [Part(outer, since, until)]
    parts = _divided(period, first, last, longer)
    if first != since:
        parts.append(Part(outer, since, first))
    if last != until:
        parts.append(Part(outer, last, until))
    return parts
