"""The days on which results may match several filters."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, TableClause, exists, func, literal, select, union_all
from sqlalchemy.orm import Session

from app.drawings.shape import LIKELY_NOT_A_DIGIT, NOT_A_DIGIT
from app.models import LabelCount, Prediction, PredictionCount
from app.repository.counts import UNKNOWN_TIME, are_complete, conditions_on, view_of
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
    given = filters.given()
    if (filters.min_confidence or 0) > (1 if filters.max_confidence is None else filters.max_confidence):
        return None
    by_label = filters.label is not None or filters.labelled
    # Labels without a time have indexes for two filters.
    if len(given) < 2 or not given & (_COUNTED | _LABELS) or (by_label and not given & _BY_TIME):
        return filters
    if not are_complete(session):
        return filters
    found = []
    if given & _COUNTED:
        if (days := find_days(session, filters)) is None:
            return None
        found.append(days)
    if by_label:
        if (days := _find_days(session, LabelCount, filters, _of_labels)) is None:
            return None
        found.append(days)
    if not given & _BY_TIME or not found:
        return filters
    since = max(days.first for days in found)
    until = min(days.end for days in found)
    return filters.model_copy(
        update={
            "since": since if filters.since is None else max(since, filters.since),
            "until": until if filters.until is None else min(until, filters.until),
        }
    )


def find_days(session: Session, filters: ResultFilters) -> Days | None:
    """Return the days with predictions that may match."""
    return _find_days(session, PredictionCount, filters, _of_predictions)


def _of_predictions(counts: TableClause, filters: ResultFilters) -> list[ColumnElement[bool]]:
    likely = filters.min_not_a_digit is not None and filters.min_not_a_digit > LIKELY_NOT_A_DIGIT
    conditions = [(counts.c.not_digits if likely else counts.c.size) > 0]
    if filters.prediction is not None:
        conditions.append(counts.c.prediction == filters.prediction)
    if filters.min_confidence is not None:
        conditions.append(counts.c.tenth >= _tenth(filters.min_confidence))
    if filters.max_confidence is not None:
        conditions.append(counts.c.tenth <= _tenth(filters.max_confidence))
    return conditions


def _of_labels(counts: TableClause, filters: ResultFilters) -> list[ColumnElement[bool]]:
    conditions = [counts.c.size > 0]
    if filters.label == NOT_A_DIGIT:
        conditions.append(counts.c.not_a_digit)
    return conditions


def _find_days(
    session: Session,
    counts: type[PredictionCount | LabelCount],
    filters: ResultFilters,
    conditions: Callable[[TableClause, ResultFilters], list[ColumnElement[bool]]],
) -> Days | None:
    """Return the first and last day of the counts and newer changes, without adding them up."""
    since = filters.since and filters.since.replace(hour=0, minute=0, second=0, microsecond=0)

    def starts_in(view: TableClause, *needed: ColumnElement[bool]) -> Select[Any]:
        # As a key, because SQLite would test what is needed for each row.
        day = select(literal("day")).where(*needed).scalar_subquery()
        within = conditions_on(view, day, filters.model_version, since, filters.until)
        return select(view.c.start).where(*within, *conditions(view, filters))

    values = {Prediction.prediction: filters.prediction, Prediction.model_version: filters.model_version}
    known = (exists().where(column == value) for column, value in values.items() if value is not None)
    counted, noted = view_of(counts, ""), view_of(counts, "new_")
    first = starts_in(counted, *known).order_by(counted.c.start).limit(1)
    last = starts_in(counted, first.exists()).order_by(counted.c.start.desc()).limit(1)
    starts = union_all(first.subquery().select(), last.subquery().select(), starts_in(noted)).subquery().c.start
    earliest, latest, size = session.execute(select(func.min(starts), func.max(starts), func.count(starts))).one()
    latest = latest or _LAST_TIME
    return Days(earliest or UNKNOWN_TIME, latest + min(_DAY, _LAST_TIME - latest)) if size else None


def _tenth(confidence: float) -> int:
    # Not times ten, which would round up.
    return max((lower for lower in range(10) if confidence >= lower / 10), default=0)
