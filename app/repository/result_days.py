"""The days on which results may match several filters."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, TableClause, func, select
from sqlalchemy.orm import Session

from app.drawings.shape import NOT_A_DIGIT
from app.models import LIKELY_NOT_A_DIGIT, LabelCount, PredictionCount
from app.repository.counts import are_complete, conditions_on, view_of
from app.schemas.results import ResultFilters

_DAY: Final = timedelta(days=1)
_LAST_TIME: Final = datetime.max.replace(tzinfo=UTC)
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
        found.append(_find_labelled_days(session, filters))
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
    """Return the days with predictions that may match."""
    view = view_of(PredictionCount)
    conditions = _of_days(view, filters)
    if filters.prediction is not None:
        conditions.append(view.c.prediction == filters.prediction)
    if filters.min_confidence is not None:
        conditions.append(view.c.tenth >= _tenth(filters.min_confidence))
    if filters.max_confidence is not None:
        conditions.append(view.c.tenth <= _tenth(filters.max_confidence))
    likely = filters.min_not_a_digit is not None and filters.min_not_a_digit > LIKELY_NOT_A_DIGIT
    return _find_days(session, view, conditions, "not_digits" if likely else "size")


def _find_labelled_days(session: Session, filters: ResultFilters) -> Days | None:
    view = view_of(LabelCount)
    conditions = _of_days(view, filters)
    if filters.label == NOT_A_DIGIT:
        conditions.append(view.c.not_a_digit)
    return _find_days(session, view, conditions, "size")


def _of_days(view: TableClause, filters: ResultFilters) -> list[ColumnElement[bool]]:
    since = filters.since and filters.since.replace(hour=0, minute=0, second=0, microsecond=0)
    return conditions_on(view, "day", filters.model_version, since, filters.until)


def _find_days(session: Session, view: TableClause, conditions: list[ColumnElement[bool]], size: str) -> Days | None:
    days = select(view.c.start).where(*conditions).group_by(view.c.start).having(func.sum(view.c[size]) > 0)
    starts = days.subquery().c.start
    first, last = session.execute(select(func.min(starts), func.max(starts))).one()
    return first and Days(first, last + min(_DAY, _LAST_TIME - last))


def _tenth(confidence: float) -> int:
    # Not times ten, which would round up.
    return max((lower for lower in range(10) if confidence >= lower / 10), default=0)
