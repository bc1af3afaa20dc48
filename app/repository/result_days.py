"""The days on which results may match several filters, from the counts, so that no other rows are read."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.drawings.shape import NOT_A_DIGIT
from app.models import LIKELY_NOT_A_DIGIT, LabelCount, PredictionCount
from app.repository.counts import UNKNOWN_TIME, are_complete, view_of
from app.schemas.results import ResultFilters

_DAY: Final = timedelta(days=1)
_BY_TIME: Final = frozenset({"since", "until"})
_COUNTED: Final = frozenset({"prediction", "model_version", "min_confidence", "max_confidence", "min_not_a_digit"})
_LABELS: Final = frozenset({"label", "labelled"})


class Days(NamedTuple):
    """The first day and the end of the last; UNKNOWN_TIME is the day of results without a time."""

    first: datetime
    end: datetime


def narrowed(session: Session, filters: ResultFilters) -> ResultFilters | None:
    """Return filters that match the same results with fewer days, or None if no result matches."""
    given = {name for name in ResultFilters.model_fields if getattr(filters, name) is not None}
    if len(given) < 2 or not given & (_COUNTED | _LABELS) or not are_complete(session):
        return filters
    found = []
    if given & _COUNTED:
        found.append(find_days(session, filters))
    if filters.label is not None or filters.labelled:
        found.append(_find_days(session, _labels(filters)))
    if None in found:
        return None
    if not given & _BY_TIME or not found:
        return filters
    since = max(days.first for days in found if days)
    until = min(days.end for days in found if days)
    return filters.model_copy(
        update={
            "since": since if filters.since is None else max(since, filters.since),
            "until": until if filters.until is None else min(until, filters.until),
        }
    )


def find_days(session: Session, filters: ResultFilters) -> Days | None:
    """Return the days of the predictions that match what the counts know, or None if there are none."""
    return _find_days(session, _predictions(filters))


def _find_days(session: Session, days: Select[Any]) -> Days | None:
    starts = days.subquery().c.start
    first, last = session.execute(select(func.min(starts), func.max(starts))).one()
    return first and Days(first, last + _DAY)


def _predictions(filters: ResultFilters) -> Select[Any]:
    counts = view_of(PredictionCount).c
    conditions = _of_days(counts, filters)
    if filters.prediction is not None:
        conditions.append(counts.prediction == filters.prediction)
    if filters.min_confidence is not None:
        conditions.append(counts.tenth >= _tenth(filters.min_confidence))
    if filters.max_confidence is not None:
        conditions.append(counts.tenth <= _tenth(filters.max_confidence))
    likely = filters.min_not_a_digit is not None and filters.min_not_a_digit > LIKELY_NOT_A_DIGIT
    size = counts.not_digits if likely else counts.size
    return select(counts.start).where(*conditions).group_by(counts.start).having(func.sum(size) > 0)


def _labels(filters: ResultFilters) -> Select[Any]:
    counts = view_of(LabelCount).c
    conditions = _of_days(counts, filters)
    if filters.label == NOT_A_DIGIT:
        conditions.append(counts.not_a_digit)
    return select(counts.start).where(*conditions).group_by(counts.start).having(func.sum(counts.size) > 0)


def _of_days(counts: Any, filters: ResultFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [counts.period == "day"]
    if filters.model_version is not None:
        conditions.append(counts.model_version == filters.model_version)
    if filters.since is not None or filters.until is not None:
        conditions.append(counts.start > UNKNOWN_TIME)
    if filters.since is not None:
        conditions.append(counts.start >= filters.since.replace(hour=0, minute=0, second=0, microsecond=0))
    if filters.until is not None:
        conditions.append(counts.start < filters.until)
    return conditions


def _tenth(confidence: float) -> int:
    # Not times ten, which would round up.
    return max((lower for lower in range(10) if confidence >= lower / 10), default=0)
