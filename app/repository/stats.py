from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Row, Select, Subquery, case, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.drawings.shape import NOT_A_DIGIT
from app.models import LIKELY_NOT_A_DIGIT, Label, Prediction, Review
from app.repository.labels import is_current

# Buckets are numbered from the earliest datetime, a Monday.
FIRST_MONDAY: Final = datetime(1, 1, 1, tzinfo=UTC)

_SHIFT: Final = int((datetime(1970, 1, 1, tzinfo=UTC) - FIRST_MONDAY).total_seconds())


class Selection(NamedTuple):
    """Which predictions to count; `until` is exclusive."""

    model_version: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[int, int] | None = None


def select_newest(session: Session, last: int, model_version: str | None) -> Selection:
    selection = Selection(model_version)
    ids = select(Prediction.id).where(*_conditions(selection)).order_by(Prediction.id.desc()).limit(last).subquery()
    ends = session.execute(select(func.min(ids.c.id), func.max(ids.c.id))).one()
    return selection._replace(ids=(ends[0] or 0, ends[1] or 0))


def count_by_confidence(session: Session, selection: Selection) -> list[Row[Any]]:
    tenth = case(*((Prediction.confidence >= lower / 10, lower) for lower in range(9, 0, -1)), else_=0)
    columns = (Prediction.model_version, Prediction.prediction, tenth.label("bin"))
    more = (Prediction.confidence, Prediction.not_a_digit, Prediction.created_at)
    rows = _select(selection, *columns, *more).subquery()
    ends = func.min(rows.c.created_at).label("oldest"), func.max(rows.c.created_at).label("newest")
    return count_groups(session, rows, 3, confidence_sum(rows), *_not_a_digit_counts(rows), *ends)


def count_by_time(session: Session, selection: Selection, seconds: int) -> list[Row[Any]]:
    """`bucket` is None if created_at is not a time."""
    columns = (Prediction.model_version, Prediction.prediction, _bucket(seconds))
    rows = _select(selection, *columns, Prediction.confidence, Prediction.not_a_digit).subquery()
    return count_groups(session, rows, 3, confidence_sum(rows), *_not_a_digit_counts(rows))


def count_labels(session: Session, selection: Selection) -> list[Row[Any]]:
    sampled = func.coalesce(Review.sampled, False).label("sampled")
    labelled = _labelled(selection, sampled).outerjoin(Review, Review.prediction_id == Prediction.id)
    return count_groups(session, labelled.subquery(), 4)


def count_labels_by_time(session: Session, selection: Selection, seconds: int) -> list[Row[Any]]:
    return count_groups(session, _labelled(selection, _bucket(seconds)).subquery(), 4)


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    model_version, since, until, ids = selection
    conditions = []
    if model_version is not None:
        conditions.append(Prediction.model_version == model_version)
    if since is not None:
        conditions.append(Prediction.created_at >= since)
    if until is not None:
        conditions.append(Prediction.created_at < until)
    if ids is not None:
        conditions.append(Prediction.id.between(*ids))
    return conditions


def _select(selection: Selection, *columns: Any) -> Select[Any]:
    return select(*columns).where(*_conditions(selection))


def _labelled(selection: Selection, *columns: Any) -> Select[Any]:
    correct = (Label.label == Prediction.prediction).label("correct")
    not_a_digit = (Label.label == NOT_A_DIGIT).label("not_a_digit")
    # Labels are few compared with predictions.
    statement = _select(selection, Prediction.model_version, correct, not_a_digit, *columns)
    return statement.select_from(Label).join(Prediction, Prediction.id == Label.prediction_id).where(is_current())


def count_groups(session: Session, rows: Subquery, keys: int, *more: ColumnElement[Any]) -> list[Row[Any]]:
    # PostgreSQL does not recognise equal expressions with parameters.
    groups = list(rows.c)[:keys]
    statement = select(*groups, func.count().label("size"), *more).select_from(rows).group_by(*groups)
    return list(session.execute(statement))


def confidence_sum(rows: Subquery) -> ColumnElement[float]:
    return func.sum(rows.c.confidence).label("confidence")


def _not_a_digit_counts(rows: Subquery) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Count the rows with a value, and those of them that are probably not digits."""
    likely = case((rows.c.not_a_digit > LIKELY_NOT_A_DIGIT, 1))
    return func.count(rows.c.not_a_digit).label("told"), func.count(likely).label("not_digits")


class _UnixTime(FunctionElement[int]):
    """Seconds since 1970, rounded down; NULL for a text that is not a time."""

    type = BigInteger()
    inherit_cache = True


@compiles(_UnixTime, "sqlite")
def _unix_time_in_sqlite(element: _UnixTime, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite would round a day's last microsecond up.
    return f"CAST(strftime('%s', substr({compiler.process(element.clauses, **options)}, 1, 19)) AS INTEGER)"


@compiles(_UnixTime, "postgresql")
def _unix_time_in_postgresql(element: _UnixTime, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(floor(extract(epoch FROM {compiler.process(element.clauses, **options)})) AS BIGINT)"


def _bucket(seconds: int) -> ColumnElement[int]:
    return ((_UnixTime(Prediction.created_at) + _SHIFT) // seconds).label("bucket")
