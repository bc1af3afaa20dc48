"""The tables with counts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    SelectBase,
    TableClause,
    case,
    cast,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    table,
    text,
    union_all,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.drawings.shape import LIKELY_NOT_A_DIGIT, NOT_A_DIGIT
from app.models import (
    Base,
    CalibrationCount,
    Label,
    LabelCount,
    Prediction,
    PredictionCount,
    Review,
    ShadowCount,
    ShadowPrediction,
    UncountedPredictions,
)
from app.repository.labels import current_label, is_current
from app.repository.periods import Period

UNKNOWN_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)

# A step takes less than a tenth of a second; other writers wait that long.
STEP_SIZE: Final = 10_000

# Of predictions and of shadow predictions.
SUMS: Final = ("size", "millionths", "told", "not_digits")
LABEL_SUMS: Final = ("size", "told", "not_digits")
LABEL_KEY: Final = ("model_version", "sampled", "correct", "not_a_digit")
CALIBRATION_KEY: Final = ("model_version", "sampled", "millionths", "correct")
SHADOW_KEY: Final = (
    "model_version",
    "model_sha256",
    "agreed",
    "labelled",
    "correct",
    "answered_correct",
    "not_a_digit",
)

COUNTS: Final[tuple[type[Base], ...]] = (PredictionCount, LabelCount, CalibrationCount, ShadowCount)

# The triggers fill these and read them.
_CHANGES: Final = ("prediction_changes", "label_changes", "shadow_changes")

_LOCK: Final = text("LOCK TABLE predictions, labels, reviews, shadow_predictions IN SHARE ROW EXCLUSIVE MODE")

Ids = tuple[int, int]


def are_complete(session: Session) -> bool:
    return find_uncounted(session) is None


def find_uncounted(session: Session) -> Ids | None:
    row = session.execute(select(UncountedPredictions.first, UncountedPredictions.last)).tuples().first()
    return None if row is None else (row[0], row[1])


def count_next(session: Session) -> Ids | None:
    """Count the next `STEP_SIZE` predictions; return the range of ids that is left."""
    stop_writers(session)
    uncounted = find_uncounted(session)
    if uncounted is None:
        return None
    first, last = uncounted
    ids = select(Prediction.id).where(Prediction.id.between(first, last)).order_by(Prediction.id).limit(STEP_SIZE)
    end = session.scalar(select(func.max(ids.subquery().c.id)))
    if end is not None:
        for counts in COUNTS:
            _add(session, counts, (first, end))
    if end is None or end == last:
        session.execute(delete(UncountedPredictions))
        return None
    session.execute(update(UncountedPredictions).values(first=end + 1))
    return end + 1, last


def forget(session: Session) -> None:
    """Empty the tables, so that every prediction is counted again."""
    stop_writers(session)
    for name in (*(counts.__tablename__ for counts in COUNTS), *_CHANGES, UncountedPredictions.__tablename__):
        session.execute(delete(table(name)))
    ends = session.execute(select(func.min(Prediction.id), func.max(Prediction.id))).one()
    if ends[0] is not None:
        session.add(UncountedPredictions(first=ends[0], last=ends[1]))
        session.flush()


def count_differences(session: Session, counts: type[Base]) -> int:
    key, sums = _columns(counts)
    rows = grouped(counts).subquery()
    computed = select(*(rows.c[each.name] for each in (*key, *sums)))
    stored = view_of(counts)
    negative = select(*(stored.c[each.name] for each in key), *(-stored.c[each.name] for each in sums))
    both = union_all(computed, negative).subquery()
    groups = [both.c[each.name] for each in key]
    totals = [func.sum(both.c[each.name]) for each in sums]
    different = select(*groups).group_by(*groups).having(or_(*(total != 0 for total in totals)))
    return session.scalar(select(func.count()).select_from(different.subquery())) or 0


def view_of(counts: type[Base], prefix: str = "v_") -> TableClause:
    columns = (column(each.name, each.type) for each in counts.__table__.columns)
    return table(f"{prefix}{counts.__tablename__}", *columns)


def conditions_on(
    view: TableClause,
    period: Period | ColumnElement[str],
    model_version: str | None,
    since: datetime | None,
    until: datetime | None,
) -> list[ColumnElement[bool]]:
    """Return conditions for a period's counts from `since` to `until`; with a time, not those without one."""
    columns = view.c
    conditions: list[ColumnElement[bool]] = [columns.period == period]
    if model_version is not None:
        conditions.append(columns.model_version == model_version)
    # SQLite uses only the first of two bounds.
    if since is not None and since > UNKNOWN_TIME:
        conditions.append(columns.start >= since)
    elif since is not None or until is not None:
        conditions.append(columns.start > UNKNOWN_TIME)
    if until is not None:
        conditions.append(columns.start < until)
    return conditions


def stop_writers(session: Session) -> None:
    """On SQLite the transaction has stopped them."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_LOCK)


def _columns(counts: type[Base]) -> tuple[list[ColumnElement[Any]], list[ColumnElement[Any]]]:
    columns = counts.__table__.columns
    return [each for each in columns if each.primary_key], [each for each in columns if not each.primary_key]


def _add(session: Session, counts: type[Base], ids: Ids) -> None:
    key, sums = _columns(counts)
    names = [each.name for each in (*key, *sums)]
    # Here, because each takes long to load.
    dialect = import_module(f"sqlalchemy.dialects.{session.get_bind().dialect.name}")
    rows = grouped(counts, ids).subquery()
    # With a condition, because SQLite takes ON after a plain FROM for a join.
    chosen = select(*(rows.c[name] for name in names)).where(text("true"))
    insert = dialect.insert(counts).from_select(names, chosen)
    changes = {each.name: each + insert.excluded[each.name] for each in sums}
    session.execute(insert.on_conflict_do_update(index_elements=key, set_=changes))


def grouped(counts: type[Base], ids: Ids | None = None) -> SelectBase:
    within = [] if ids is None else [Prediction.id.between(*ids)]
    if counts is PredictionCount:
        key, sums = ("model_version", "prediction", "tenth"), SUMS
        return _by_period(prediction_rows().where(*within), key, sums)
    if counts is ShadowCount:
        return summed(_shadow_rows().where(*within), SHADOW_KEY, SUMS)
    if ids is not None:
        # Without this, PostgreSQL reads all labels.
        within.append(Label.prediction_id.between(*ids))
    if counts is LabelCount:
        return _by_period(label_rows().where(*within), LABEL_KEY, LABEL_SUMS)
    return summed(label_rows().where(*within), CALIBRATION_KEY, ("size",))


def prediction_rows() -> Select[Any]:
    return select(
        Prediction.model_version,
        Prediction.prediction,
        case(*((Prediction.confidence >= lower / 10, lower) for lower in range(9, 0, -1)), else_=0).label("tenth"),
        literal(1).label("size"),
        millionths_of(Prediction.confidence).label("millionths"),
        *_told(Prediction),
        Prediction.created_at,
    )


def label_rows() -> Select[Any]:
    sampled = select(Review.sampled).where(Review.prediction_id == Prediction.id).correlate(Prediction)
    return (
        select(
            Prediction.model_version,
            func.coalesce(sampled.scalar_subquery(), False).label("sampled"),
            (Label.label == Prediction.prediction).label("correct"),
            (Label.label == NOT_A_DIGIT).label("not_a_digit"),
            millionths_of(Prediction.confidence).label("millionths"),
            literal(1).label("size"),
            *_told(Prediction),
            Prediction.created_at,
        )
        # Labels are few compared with predictions.
        .select_from(Label)
        .join(Prediction, Prediction.id == Label.prediction_id)
        .where(is_current())
    )


def _shadow_rows() -> Select[Any]:
    shadow, label = ShadowPrediction, current_label()
    return select(
        shadow.model_version,
        shadow.model_sha256,
        (shadow.prediction == Prediction.prediction).label("agreed"),
        label.is_not(None).label("labelled"),
        func.coalesce(label == shadow.prediction, False).label("correct"),
        func.coalesce(label == Prediction.prediction, False).label("answered_correct"),
        func.coalesce(label == NOT_A_DIGIT, False).label("not_a_digit"),
        literal(1).label("size"),
        millionths_of(shadow.confidence).label("millionths"),
        *_told(shadow),
    ).join(Prediction, Prediction.id == shadow.prediction_id)


def _told(answer: type[Prediction | ShadowPrediction]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Whether an answer has `not_a_digit`, and whether that is above 0.5."""
    told, is_likely = answer.not_a_digit.is_not(None), answer.not_a_digit > LIKELY_NOT_A_DIGIT
    return case((told, 1), else_=0).label("told"), case((is_likely, 1), else_=0).label("not_digits")


def millionths_of(confidence: Any) -> ColumnElement[int]:
    """A confidence as an integer, because sums of integers are exact. The classifier rounds to six decimals."""
    return cast(func.round(confidence * 1_000_000), BigInteger)


def summed(rows: Select[Any], key: Sequence[str], sums: Sequence[str]) -> Select[Any]:
    found = rows.subquery().c
    groups = [found[name] for name in key]
    # PostgreSQL's sum of integers is a decimal.
    totals = [cast(func.sum(found[name]), BigInteger).label(name) for name in sums]
    return select(*groups, *totals).group_by(*groups)


def _by_period(rows: Select[Any], key: Sequence[str], sums: Sequence[str]) -> CompoundSelect[Any]:
    found = rows.subquery().c
    start = _StartOf(literal("hour"), found.created_at).label("start")
    hourly = summed(select(start, *(found[name] for name in (*key, *sums))), ("start", *key), sums)
    hours = hourly.cte("hours").c
    start = _StartOf(literal("day"), hours.start).label("start")
    days = summed(select(start, *(hours[name] for name in (*key, *sums))), ("start", *key), sums).subquery().c
    return union_all(select(literal("hour").label("period"), *hours), select(literal("day"), *days))


class _StartOf(FunctionElement[datetime]):
    """The start of the hour or day of a time; `UNKNOWN_TIME` for what is not a time."""

    type = PredictionCount.start.type
    inherit_cache = True


@compiles(_StartOf, "sqlite")
def _start_in_sqlite(element: _StartOf, compiler: SQLCompiler, **options: Any) -> str:
    period, time = (compiler.process(part, **options) for part in element.clauses)
    form = f"CASE {period} WHEN 'hour' THEN '%Y-%m-%d %H:00:00.000000' ELSE '%Y-%m-%d 00:00:00.000000' END"
    # Without minutes, because SQLite would round a day's last microsecond up.
    start = (
        f"CASE WHEN {time} LIKE '____-__-__' THEN strftime({form}, {time})"
        f" WHEN {time} LIKE '____-__-__%' THEN strftime({form}, substr({time}, 1, 13) || ':00') END"
    )
    return f"coalesce({start}, '0001-01-01 00:00:00.000000')"


@compiles(_StartOf, "postgresql")
def _start_in_postgresql(element: _StartOf, compiler: SQLCompiler, **options: Any) -> str:
    period, time = (compiler.process(part, **options) for part in element.clauses)
    start = f"date_trunc({period}, {time} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    return f"coalesce({start}, CAST('0001-01-01 00:00:00+00' AS timestamptz))"
