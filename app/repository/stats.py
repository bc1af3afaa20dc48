from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Row, Select, case, cast, func, select, text, union_all
from sqlalchemy.orm import Session

from app.models import Label, LabelCount, Prediction, PredictionCount, begin_of
from app.repository.columns import HAS_TIME, without_index
from app.repository.computed_counts import LABEL_KEY, LABEL_SUMS, SUMS, label_rows, prediction_rows, summed
from app.repository.counts import UNKNOWN_TIME, are_complete, conditions_on, view_of
from app.repository.dialects import DialectFunction
from app.repository.periods import Part, Period, divided
from app.repository.result_days import find_days
from app.schemas.results import ResultFilters

# Buckets are numbered from the earliest datetime, a Monday.
FIRST_MONDAY: Final = datetime(1, 1, 1, tzinfo=UTC)

# Later than the time of predictions without one.
_FIRST_TIME: Final = datetime(1, 1, 2, tzinfo=UTC)
_DAY_S: Final = 24 * 60 * 60
_SHIFT: Final = int((datetime(1970, 1, 1, tzinfo=UTC) - FIRST_MONDAY).total_seconds())


class Selection(NamedTuple):
    """Which predictions to count; `until` is exclusive."""

    model_version: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[int, int] | None = None
    counts_complete: bool = False


def select_all(
    session: Session, model_version: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> Selection:
    return Selection(model_version, since, until, counts_complete=are_complete(session))


def select_newest(session: Session, last: int, model_version: str | None) -> Selection:
    selection = Selection(model_version)
    ids = select(Prediction.id).where(*_conditions(selection)).order_by(Prediction.id.desc()).limit(last).subquery()
    ends = session.execute(select(func.min(ids.c.id), func.max(ids.c.id))).one()
    return selection._replace(ids=(ends[0] or 0, ends[1] or 0))


def find_ends(session: Session, selection: Selection) -> list[datetime]:
    conditions = _conditions(selection)
    if selection.ids is not None:
        # Not with the index of the time, whose other end PostgreSQL would begin at.
        time = case((HAS_TIME, Prediction.created_at))
        both = select(func.min(time), func.max(time)).where(*conditions)
        return [time for time in session.execute(both).one() if time is not None]
    conditions = _conditions(selection._replace(model_version=None))
    if selection.model_version is not None:
        # Its index is not in the order of time.
        conditions.append(without_index(Prediction.model_version) == selection.model_version)
    times = select(Prediction.created_at).where(HAS_TIME, *conditions).limit(1)
    oldest, newest = times.order_by(Prediction.created_at), times.order_by(Prediction.created_at.desc())
    if selection.model_version is not None and selection.counts_complete:
        # Otherwise many predictions of other versions may be read.
        filters = ResultFilters.model_construct(
            model_version=selection.model_version, since=selection.since or _FIRST_TIME, until=selection.until
        )
        days = find_days(session, filters)
        if days is None:
            return []
        oldest = oldest.where(Prediction.created_at >= begin_of(days.first))
        newest = newest.where(Prediction.created_at < begin_of(days.end))
    ends = [session.scalar(statement) for statement in (oldest, newest)]
    return [time for time in ends if time is not None]


def count_by_confidence(session: Session, selection: Selection) -> list[Row[Any]]:
    key = ("model_version", "prediction", "tenth")
    return _count(session, selection, PredictionCount, key, SUMS)


def count_by_time(session: Session, selection: Selection, seconds: int) -> list[Row[Any]]:
    """`bucket` is None if created_at is not a time."""
    key = ("model_version", "prediction", "bucket")
    return _count(session, selection, PredictionCount, key, SUMS, seconds)


def count_labels(session: Session, selection: Selection) -> list[Row[Any]]:
    return _count(session, selection, LabelCount, LABEL_KEY, LABEL_SUMS)


def count_labels_by_time(session: Session, selection: Selection, seconds: int) -> list[Row[Any]]:
    key = ("model_version", "correct", "not_a_digit", "bucket")
    return _count(session, selection, LabelCount, key, LABEL_SUMS, seconds)


def count_versions(session: Session, everything: Selection) -> list[Row[Any]]:
    """Return sums, oldest and newest by version."""
    if everything.counts_complete:
        days = summed(_counted(PredictionCount, "day", everything), ("model_version", "start"), SUMS)
        found = days.having(text("sum(size) <> 0")).subquery().c
    else:
        found = _rows(PredictionCount, everything).subquery().c
    known = case((found.start > UNKNOWN_TIME, found.start))
    totals = [cast(func.sum(found[name]), BigInteger).label(name) for name in SUMS]
    ends = func.min(known).label("first"), func.max(known).label("last")
    versions = select(found.model_version, *totals, *ends).group_by(found.model_version).subquery()
    # Its index is not in the order of time.
    of_version = without_index(Prediction.model_version) == versions.c.model_version
    times = select(Prediction.created_at).where(of_version).limit(1)
    oldest = times.where(Prediction.created_at >= _Day(versions.c.first)).order_by(Prediction.created_at)
    newest = times.where(Prediction.created_at < _NextDay(versions.c.last)).order_by(Prediction.created_at.desc())
    columns = oldest.scalar_subquery().label("oldest"), newest.scalar_subquery().label("newest")
    return list(session.execute(select(versions, *columns)))


def _count(
    session: Session,
    selection: Selection,
    counts: type[PredictionCount | LabelCount],
    key: Sequence[str],
    sums: Sequence[str],
    seconds: int | None = None,
) -> list[Row[Any]]:
    """Sum by `key`, from the counts of whole hours and days and from the rows of the rest."""
    periods: tuple[Period, ...] = ("hour",) if seconds is not None and seconds < _DAY_S else ("hour", "day")
    needed = [*(name for name in key if name != "bucket"), *sums]
    parts = []
    for part in _parts(selection, periods):
        mine = selection._replace(since=part.since, until=part.until)
        found = _rows(counts, mine) if part.period is None else _counted(counts, part.period, mine)
        columns = found.selected_columns
        bucket = [] if seconds is None else [((_UnixTime(columns["start"]) + _SHIFT) // seconds).label("bucket")]
        parts.append(found.with_only_columns(*(columns[name] for name in needed), *bucket))
    rows = parts[0] if len(parts) == 1 else union_all(*parts)
    return list(session.execute(summed(rows, key, sums).having(text("sum(size) <> 0"))))


def _parts(selection: Selection, periods: Sequence[Period]) -> list[Part]:
    if not selection.counts_complete:
        return [Part(None, selection.since, selection.until)]
    return divided(selection.since, selection.until, periods)


def _rows(counts: type[PredictionCount | LabelCount], selection: Selection) -> Select[Any]:
    rows = prediction_rows() if counts is PredictionCount else label_rows()
    if counts is LabelCount and selection.ids is not None:
        # PostgreSQL does not derive it, and reads all labels.
        rows = rows.where(Label.prediction_id.between(*selection.ids))
    return rows.add_columns(Prediction.created_at.label("start")).where(*_conditions(selection))


def _counted(counts: type[PredictionCount | LabelCount], period: Period, selection: Selection) -> Select[Any]:
    view = view_of(counts)
    model_version, since, until, *_ = selection
    return select(*view.c).where(*conditions_on(view, period, model_version, since, until))


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    model_version, since, until, ids, _ = selection
    conditions: list[ColumnElement[bool]] = []
    if since is not None or until is not None:
        conditions.append(HAS_TIME)
    if model_version is not None:
        conditions.append(Prediction.model_version == model_version)
    if since is not None:
        conditions.append(Prediction.created_at >= begin_of(since))
    if until is not None:
        conditions.append(Prediction.created_at < begin_of(until))
    if ids is not None:
        conditions.append(Prediction.id.between(*ids))
    return conditions


class _Day(DialectFunction[datetime]):
    """A time, or in SQLite its day, since that is the first text at midnight."""

    type = Prediction.created_at.type
    inherit_cache = True
    sqlite, postgresql = "date({})", "{}"


class _NextDay(_Day):
    inherit_cache = True
    sqlite, postgresql = "date({}, '+1 day')", "{} + interval '1 day'"


class _UnixTime(DialectFunction[int]):
    """Seconds since 1970, rounded down; NULL for a text that is not a time."""

    type = BigInteger()
    inherit_cache = True
    # SQLite would round a day's last microsecond up.
    sqlite = "CAST(strftime('%s', substr({}, 1, 19)) AS INTEGER)"
    postgresql = "CAST(floor(extract(epoch FROM {})) AS BIGINT)"
