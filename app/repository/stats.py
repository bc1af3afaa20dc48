"""Predictions and labels, counted in groups. How many statements there are never depends on the rows.

Labels are joined to the predictions they are about, so that the predictions without one, which are most, cost nothing.
"""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Row, Select, Subquery, case, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.models import Label, Prediction, Review
from app.repository.labels import is_current

FIRST_MONDAY: Final = datetime(1, 1, 1, tzinfo=UTC)
"""Buckets of time are numbered from here: nothing is older, and weeks begin on Monday."""

_SHIFT: Final = int((datetime(1970, 1, 1, tzinfo=UTC) - FIRST_MONDAY).total_seconds())


class Selection(NamedTuple):
    """Which predictions are counted: those that meet each condition that is not None.

    `until` is exclusive; `ids` are the lowest and the highest.
    """

    model_version: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[int, int] | None = None


def newest(session: Session, last: int, model_version: str | None) -> Selection:
    """Select the newest so many predictions, of one version unless that is None.

    Their ends are looked up here, so that whatever counts them walks an index between the two and no further.
    """
    selection = Selection(model_version)
    ids = select(Prediction.id).where(*_conditions(selection)).order_by(Prediction.id.desc()).limit(last).subquery()
    ends = session.execute(select(func.min(ids.c.id), func.max(ids.c.id))).one()
    return selection._replace(ids=(ends[0] or 0, ends[1] or 0))


def count_by_confidence(session: Session, selection: Selection) -> list[Row[Any]]:
    """Count by model_version, prediction and bin, a tenth of confidence from 0 to 9; return these and four more.

    `size`; `confidence`, the sum; `oldest` and `newest`, times or None.
    """
    tenth = case(*((Prediction.confidence >= lower / 10, lower) for lower in range(9, 0, -1)), else_=0)
    columns = (Prediction.model_version, Prediction.prediction, tenth.label("bin"))
    rows = _select(selection, *columns, Prediction.confidence, Prediction.created_at).subquery()
    oldest, latest = func.min(rows.c.created_at), func.max(rows.c.created_at)
    return count_groups(session, rows, 3, confidence_sum(rows), oldest.label("oldest"), latest.label("newest"))


def count_by_time(session: Session, selection: Selection, seconds: int) -> list[Row[Any]]:
    """Count by model_version, prediction and bucket; return these, `size` and `confidence`, the sum.

    A bucket is so many seconds long. It is the number of those since FIRST_MONDAY, or None for a text that is no time.
    """
    columns = (Prediction.model_version, Prediction.prediction, _bucket(seconds))
    rows = _select(selection, *columns, Prediction.confidence).subquery()
    return count_groups(session, rows, 3, confidence_sum(rows))


def count_labels(session: Session, selection: Selection) -> list[Row[Any]]:
    """Count the labels that count by model_version, correct, not_a_digit and sampled; return these and `size`.

    `sampled` says that `/review` drew the prediction at random.
    """
    sampled = func.coalesce(Review.sampled, False).label("sampled")
    labelled = _labelled(selection, sampled).outerjoin(Review, Review.prediction_id == Prediction.id)
    return count_groups(session, labelled.subquery(), 4)


def count_labels_by_time(session: Session, selection: Selection, seconds: int) -> list[Row[Any]]:
    """Count the labels that count by model_version, correct, not_a_digit and bucket; return these and `size`."""
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
    not_a_digit = (Label.label == "none").label("not_a_digit")
    statement = _select(selection, Prediction.model_version, correct, not_a_digit, *columns)
    return statement.select_from(Label).join(Prediction, Prediction.id == Label.prediction_id).where(is_current())


def count_groups(session: Session, rows: Subquery, keys: int, *more: ColumnElement[Any]) -> list[Row[Any]]:
    """Group the rows by their first columns, so many; count each group and add what else is to be known of it."""
    # Grouped by columns of a subquery: PostgreSQL does not see that two expressions with parameters are the same.
    groups = list(rows.c)[:keys]
    statement = select(*groups, func.count().label("size"), *more).select_from(rows).group_by(*groups)
    return list(session.execute(statement))


def confidence_sum(rows: Subquery) -> ColumnElement[float]:
    return func.sum(rows.c.confidence).label("confidence")


class _UnixTime(FunctionElement[int]):
    """The whole seconds from 1970 to a time, rounded down; NULL for a text that is no time."""

    type = BigInteger()
    inherit_cache = True


@compiles(_UnixTime, "sqlite")
def _unix_time_in_sqlite(element: _UnixTime, compiler: SQLCompiler, **options: Any) -> str:
    # Without the fraction, which SQLite rounds to the nearest thousandth: the last moment of a day would be the next.
    return f"CAST(strftime('%s', substr({compiler.process(element.clauses, **options)}, 1, 19)) AS INTEGER)"


@compiles(_UnixTime, "postgresql")
def _unix_time_in_postgresql(element: _UnixTime, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(floor(extract(epoch FROM {compiler.process(element.clauses, **options)})) AS BIGINT)"


def _bucket(seconds: int) -> ColumnElement[int]:
    return ((_UnixTime(Prediction.created_at) + _SHIFT) // seconds).label("bucket")
