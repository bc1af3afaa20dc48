"""Stored predictions.

Pages use keyset pagination, by id or time, in the order of an index.
"""

import string
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from app.models import (
    HAS_LOW_CONFIDENCE,
    IS_MAYBE_NOT_A_DIGIT,
    LOW_CONFIDENCE,
    MAYBE_NOT_A_DIGIT,
    Drawing,
    Label,
    Prediction,
)
from app.repository.columns import PREDICTION_COLUMNS
from app.repository.labels import current_label, is_current, is_labelled
from app.repository.notes_search import NOTES_SEARCH, finds, has_few_notes
from app.repository.result_days import narrowed
from app.schemas.results import ResultFilters
from app.schemas.types import LAST_ID

_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Position(NamedTuple):
    id: int
    created_at: datetime | None


def follows_index(filters: ResultFilters) -> bool:
    """Return whether `list_results` reads no other rows than those of the page."""
    given = {name for name in ResultFilters.model_fields if getattr(filters, name) is not None}
    return given <= {"since", "until"} or given in ({"prediction"}, {"model_version"})


def list_results(session: Session, filters: ResultFilters, limit: int, after: Position | None) -> list[Row[Any]]:
    narrow = narrowed(session, filters)
    if narrow is None:
        return []
    filters = narrow
    if filters.notes_contains is not None and has_few_notes(session, filters.notes_contains):
        statement = _by_notes(filters, after)
    elif filters.since is not None or filters.until is not None:
        statement = _by_time(filters, after)
    elif filters.label is not None or filters.labelled:
        statement = _by_label(filters, after)
    else:
        statement = _by_arrival(session, filters, after)
    return list(session.execute(statement.limit(limit)))


def matching(filters: ResultFilters, indexed: str) -> list[ColumnElement[bool]]:
    """Return conditions on `predictions`; only the index of the column `indexed` is usable.

    Without statistics SQLite may choose a slower index.
    """

    def column(name: str) -> Any:
        plain = getattr(Prediction, name)
        if name == indexed:
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
    if filters.min_not_a_digit is not None:
        conditions.append(column("not_a_digit") >= filters.min_not_a_digit)
    if filters.since is not None:
        conditions.append(Prediction.created_at >= filters.since)
    if filters.until is not None:
        conditions.append(Prediction.created_at < filters.until)
    if filters.label is not None:
        conditions.append(current_label() == filters.label)
    if filters.labelled is not None:
        conditions.append(is_labelled() if filters.labelled else ~is_labelled())
    if filters.notes_contains is not None:
        text = filters.notes_contains.translate(_LOWER)
        conditions += [
            # For the partial index.
            Prediction.notes.is_not(None),
            # With this collation PostgreSQL lowers A to Z only, as SQLite always does.
            func.lower(Prediction.notes.collate("C")).contains(text, autoescape=True),
        ]
    return conditions


def _select() -> Select[Any]:
    return select(*PREDICTION_COLUMNS, current_label().label("label"))


def _by_time(filters: ResultFilters, after: Position | None) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = []
    if after is not None and after.created_at is not None:
        # The bound starts the index scan. SQLite uses only the first of two bounds.
        earlier = or_(Prediction.created_at < after.created_at, Prediction.id < after.id)
        conditions = [Prediction.created_at <= after.created_at, earlier]
        if filters.until is not None and after.created_at < filters.until:
            filters = filters.model_copy(update={"until": None})
    statement = _select().where(*matching(filters, indexed="created_at"), *conditions)
    return statement.order_by(Prediction.created_at.desc(), Prediction.id.desc())


def _by_notes(filters: ResultFilters, after: Position | None) -> Select[Any]:
    found = select(NOTES_SEARCH.c.rowid).where(finds(filters.notes_contains or ""))
    # Without an order that an index has, SQLite begins with the search.
    time, id_ = type_coerce(Prediction.created_at, String).op("||")(""), Prediction.id + 0
    conditions = [Prediction.id.in_(found), *matching(filters, indexed="id")]
    if filters.since is None and filters.until is None:
        if after is not None:
            conditions.append(id_ < after.id)
        return _select().where(*conditions).order_by(id_.desc())
    if after is not None and after.created_at is not None:
        conditions.append(
            tuple_(Prediction.created_at, Prediction.id) < tuple_(literal(after.created_at), literal(after.id))
        )
    return _select().where(*conditions).order_by(time.desc(), id_.desc())


def _by_label(filters: ResultFilters, after: Position | None) -> Select[Any]:
    rest = filters.model_copy(update={"label": None, "labelled": None})
    statement = _select().join(Label, Label.prediction_id == Prediction.id).where(is_current())
    statement = statement.where(*matching(rest, indexed="id"))
    if filters.label is not None:
        statement = statement.where(Label.label == filters.label)
    if filters.labelled is False:
        statement = statement.where(false())
    if after is not None:
        # PostgreSQL does not derive one condition from the other.
        statement = statement.where(Label.prediction_id < after.id, Prediction.id < after.id)
    return statement.order_by(Label.prediction_id.desc())


def _by_arrival(session: Session, filters: ResultFilters, after: Position | None) -> Select[Any]:
    if filters.min_not_a_digit is not None and filters.min_not_a_digit >= MAYBE_NOT_A_DIGIT:
        statement = _select().where(*matching(filters, "not_a_digit"), IS_MAYBE_NOT_A_DIGIT)
    elif filters.max_confidence is not None and filters.max_confidence <= LOW_CONFIDENCE:
        statement = _select().where(*matching(filters, "confidence"), HAS_LOW_CONFIDENCE)
    elif filters.model_version is not None:
        return _by_value(session, "model_version", filters, after)
    elif filters.prediction is not None:
        return _by_value(session, "prediction", filters, after)
    else:
        statement = _select().where(*matching(filters, "id"))
    return statement.where(*_before(after)).order_by(Prediction.id.desc())


def _before(after: Position | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [Prediction.id < after.id]


def _by_value(session: Session, name: str, filters: ResultFilters, after: Position | None) -> Select[Any]:
    column, value = getattr(Prediction, name), getattr(filters, name)
    if session.get_bind().dialect.name == "sqlite":
        statement = _select().where(*matching(filters, name), *_before(after))
        return statement.order_by(Prediction.id.desc())
    # Ordered by (value, id), or PostgreSQL may scan half the table for a rare value. SQLite cannot use such a range.
    last = LAST_ID if after is None else after.id - 1
    rest = matching(filters.model_copy(update={name: None}), name)
    statement = _select().where(
        column >= value, tuple_(column, Prediction.id) <= tuple_(literal(value), literal(last)), *rest
    )
    return statement.order_by(column.desc(), Prediction.id.desc())


def find_result(session: Session, prediction_id: int) -> Row[Any] | None:
    more = (Prediction.request_id, Prediction.trace_id, Drawing.scores, Drawing.pixels, current_label().label("label"))
    statement = select(*PREDICTION_COLUMNS, *more).outerjoin(Drawing, Drawing.prediction_id == Prediction.id)
    return session.execute(statement.where(Prediction.id == prediction_id)).one_or_none()


def lock_prediction(session: Session, prediction_id: int) -> bool:
    """Lock a prediction (on PostgreSQL); return whether it exists."""
    statement = select(Prediction.id).where(Prediction.id == prediction_id).with_for_update()
    return session.scalar(statement) is not None


def set_notes(session: Session, prediction_id: int, notes: str | None) -> None:
    session.execute(update(Prediction).where(Prediction.id == prediction_id).values(notes=notes))


def delete_prediction(session: Session, prediction_id: int) -> None:
    session.execute(delete(Prediction).where(Prediction.id == prediction_id))
