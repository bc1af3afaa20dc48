"""Finding predictions: a page of a list that may be filtered, and the conditions that other statements share.

The order is that of arrival, which ids are, or that of time where a time is asked for. A page costs the same at any
depth, because it begins behind a key instead of counting rows off, and hardly more in a large table than in a small
one: rows that match are walked in an index that has the page's order, or, where they are few, gathered and sorted.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    SQLColumnExpression,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from app.models import Drawing, Label, Prediction
from app.repository.labels import current_label, is_current, is_labelled
from app.schemas.results import ResultFilters
from app.schemas.types import LAST_ID

FEW: Final = 2000
"""So many rows are gathered and sorted in a few milliseconds."""


class Position(NamedTuple):
    """Where a page ended: the id of its last row, and that row's time."""

    id: int
    created_at: datetime | None


def list_results(session: Session, filters: ResultFilters, limit: int, after: Position | None) -> list[Row[Any]]:
    """Return at most `limit` of the predictions that match, newest first, beginning after a position.

    Each row has id, prediction, confidence, model_version, created_at, notes and the label that counts.
    """
    if filters.since is not None or filters.until is not None:
        statement = _by_time(filters, after)
    elif filters.label is not None or filters.labelled:
        statement = _by_label(filters, after)
    else:
        statement = _by_arrival(session, filters, after)
    return list(session.execute(statement.limit(limit)))


def matching(filters: ResultFilters, indexed: str = "") -> list[ColumnElement[bool]]:
    """Return the conditions for a statement on `predictions`.

    When a column is named whose index is wanted, the others are wrapped so that theirs cannot be used: SQLite keeps no
    statistics that would tell it which one is the better.
    """

    def column(name: str) -> Any:
        plain = getattr(Prediction, name)
        if not indexed or name == indexed:
            return plain
        return plain.op("||")("") if name in ("prediction", "model_version") else plain + 0

    conditions: list[ColumnElement[bool]] = []
    if filters.prediction is not None:
        conditions.append(column("prediction") == filters.prediction)
    if filters.model_version is not None:
        conditions.append(column("model_version") == filters.model_version)
    if filters.min_confidence is not None:
        conditions.append(column("confidence") >= filters.min_confidence)
    if filters.max_confidence is not None:
        conditions.append(column("confidence") <= filters.max_confidence)
    if filters.since is not None:
        conditions.append(Prediction.created_at >= filters.since)
    if filters.until is not None:
        conditions.append(Prediction.created_at < filters.until)
    if filters.label is not None:
        conditions.append(current_label() == filters.label)
    if filters.labelled is not None:
        conditions.append(is_labelled() if filters.labelled else ~is_labelled())
    if filters.notes_contains is not None:
        # The first half lets the index of those with notes be used.
        conditions += [
            Prediction.notes.is_not(None),
            Prediction.notes.icontains(filters.notes_contains, autoescape=True),
        ]
    return conditions


def _columns() -> Select[Any]:
    return select(
        Prediction.id,
        Prediction.prediction,
        Prediction.confidence,
        Prediction.model_version,
        Prediction.created_at,
        Prediction.notes,
        current_label().label("label"),
    )


def _by_time(filters: ResultFilters, after: Position | None) -> Select[Any]:
    """Walk the index on time. Rows without a time, which version 0.5 wrote, are at no time."""
    conditions: list[ColumnElement[bool]] = []
    if after is not None and after.created_at is not None:
        # Said as a bound and an exception, because the bound alone is what an index can begin at. Of two bounds
        # SQLite would take the first, so the looser one is left out.
        behind = or_(Prediction.created_at < after.created_at, Prediction.id < after.id)
        conditions = [Prediction.created_at <= after.created_at, behind]
        if filters.until is not None and after.created_at < filters.until:
            filters = filters.model_copy(update={"until": None})
    statement = _columns().where(*matching(filters, indexed="created_at"), *conditions)
    return statement.order_by(Prediction.created_at.desc(), Prediction.id.desc())


def _by_label(filters: ResultFilters, after: Position | None) -> Select[Any]:
    """Walk the index on labels, which are few beside the predictions."""
    rest = filters.model_copy(update={"label": None, "labelled": None})
    statement = _columns().join(Label, Label.prediction_id == Prediction.id).where(is_current())
    statement = statement.where(*matching(rest, indexed="id"))
    if filters.label is not None:
        statement = statement.where(Label.label == filters.label)
    if filters.labelled is False:
        statement = statement.where(false())
    if after is not None:
        # Of both, because PostgreSQL does not conclude the one from the other.
        statement = statement.where(Label.prediction_id < after.id, Prediction.id < after.id)
    return statement.order_by(Label.prediction_id.desc())


def _by_arrival(session: Session, filters: ResultFilters, after: Position | None) -> Select[Any]:
    if _few_of_this_confidence(session, filters):
        # The index on confidence has another order: its rows are gathered, and sorted by what is no index's key.
        position = Prediction.id + 0
        statement = _columns().where(*matching(filters, "confidence"))
        return statement.where(*_before(position, after)).order_by(position.desc())
    for name in ("model_version", "prediction"):
        if getattr(filters, name) is not None:
            return _by_value(session, name, filters, after)
    return _columns().where(*matching(filters, "id"), *_before(Prediction.id, after)).order_by(Prediction.id.desc())


def _before(position: SQLColumnExpression[int], after: Position | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [position < after.id]


def _by_value(session: Session, name: str, filters: ResultFilters, after: Position | None) -> Select[Any]:
    """Walk the index on a column and the id, where it has the value that is asked for."""
    column, value = getattr(Prediction, name), getattr(filters, name)
    if session.get_bind().dialect.name == "sqlite":
        statement = _columns().where(*matching(filters, name), *_before(Prediction.id, after))
        return statement.order_by(Prediction.id.desc())
    # PostgreSQL takes a value to be spread evenly over all ids, and would read half a table of another version's rows
    # to come to it. So it is asked for a range that only this index has in order. SQLite cannot begin in such a range.
    last = LAST_ID if after is None else after.id - 1
    rest = matching(filters.model_copy(update={name: None}), name)
    statement = _columns().where(
        column >= value, tuple_(column, Prediction.id) <= tuple_(literal(value), literal(last)), *rest
    )
    return statement.order_by(column.desc(), Prediction.id.desc())


def _few_of_this_confidence(session: Session, filters: ResultFilters) -> bool:
    confidences = ResultFilters(min_confidence=filters.min_confidence, max_confidence=filters.max_confidence)
    if confidences == ResultFilters():
        return False
    some = select(Prediction.id).where(*matching(confidences)).limit(FEW + 1).subquery()
    return (session.scalar(select(func.count()).select_from(some)) or 0) <= FEW


def find_result(session: Session, prediction_id: int) -> Row[Any] | None:
    """Return all that is known of a prediction (its columns, `label`, `scores`), or None when there is none.

    `scores` is None for a prediction without a drawing, `label` for one that nobody labelled.
    """
    columns = (
        Prediction.id,
        Prediction.prediction,
        Prediction.confidence,
        Prediction.model_version,
        Prediction.created_at,
        Prediction.notes,
        Prediction.request_id,
        Drawing.scores,
        current_label().label("label"),
    )
    statement = select(*columns).outerjoin(Drawing, Drawing.prediction_id == Prediction.id)
    return session.execute(statement.where(Prediction.id == prediction_id)).one_or_none()


def find_pixels(session: Session, prediction_id: int) -> bytes | None:
    """Return the 784 bytes that were classified, or None when there is no such drawing."""
    return session.scalar(select(Drawing.pixels).where(Drawing.prediction_id == prediction_id))


def lock_prediction(session: Session, prediction_id: int) -> bool:
    """Keep others from changing the prediction until this transaction ends; return whether there is one.

    SQLite has one writer at a time, and leaves the clause out.
    """
    statement = select(Prediction.id).where(Prediction.id == prediction_id).with_for_update()
    return session.scalar(statement) is not None


def set_notes(session: Session, prediction_id: int, notes: str | None) -> None:
    """Replace the notes of a prediction; None takes them away."""
    session.execute(update(Prediction).where(Prediction.id == prediction_id).values(notes=notes))


def delete_prediction(session: Session, prediction_id: int) -> None:
    """Delete a prediction; the database deletes its drawing, its labels and whatever else refers to it."""
    session.execute(delete(Prediction).where(Prediction.id == prediction_id))
