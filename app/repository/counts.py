"""The tables with counts."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, TableClause, column, delete, func, or_, select, table, text, union_all
from sqlalchemy.orm import Session

from app.models import (
    Base,
    CalibrationCount,
    LabelCount,
    Prediction,
    PredictionCount,
    ShadowCount,
    UncountedPredictions,
)
from app.repository.computed_counts import computed
from app.repository.dialects import dialect_insert
from app.repository.periods import Period
from app.repository.steps import IdRange, find_id_range, find_remaining, set_remaining, stop_writers, take_step

UNKNOWN_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)

COUNTS: Final[tuple[type[Base], ...]] = (PredictionCount, LabelCount, CalibrationCount, ShadowCount)

# The triggers fill these and read them.
_CHANGES: Final = ("prediction_changes", "label_changes", "shadow_changes")


def are_complete(session: Session) -> bool:
    return find_uncounted(session) is None


def find_uncounted(session: Session) -> IdRange | None:
    return find_remaining(session, UncountedPredictions)


def add_next(session: Session) -> IdRange | None:
    return take_step(session, UncountedPredictions, Prediction.id, _add_all)


def clear(session: Session) -> None:
    """Empty the tables, so that every prediction is counted again."""
    stop_writers(session)
    for name in (*(counts.__tablename__ for counts in COUNTS), *_CHANGES):
        session.execute(delete(table(name)))
    set_remaining(session, UncountedPredictions, find_id_range(session, Prediction.id))


def count_differences(session: Session, counts: type[Base]) -> int:
    key, sums = _columns(counts)
    rows = computed(counts).subquery()
    positive = select(*(rows.c[each.name] for each in (*key, *sums)))
    stored = view_of(counts)
    negative = select(*(stored.c[each.name] for each in key), *(-stored.c[each.name] for each in sums))
    both = union_all(positive, negative).subquery()
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


def _columns(counts: type[Base]) -> tuple[list[ColumnElement[Any]], list[ColumnElement[Any]]]:
    columns = counts.__table__.columns
    return [each for each in columns if each.primary_key], [each for each in columns if not each.primary_key]


def _add_all(session: Session, ids: IdRange) -> None:
    for counts in COUNTS:
        _add(session, counts, ids)


def _add(session: Session, counts: type[Base], ids: IdRange) -> None:
    key, sums = _columns(counts)
    names = [each.name for each in (*key, *sums)]
    rows = computed(counts, ids).subquery()
    # With a condition, because SQLite takes ON after a plain FROM for a join.
    chosen = select(*(rows.c[name] for name in names)).where(text("true"))
    insert = dialect_insert(session, counts).from_select(names, chosen)
    changes = {each.name: each + insert.excluded[each.name] for each in sums}
    session.execute(insert.on_conflict_do_update(index_elements=key, set_=changes))
