"""Stored predictions.

Pages use keyset pagination, by id or time, in the order of an index.
"""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    String,
    delete,
    false,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.models import (
    LOW_CONFIDENCE,
    MAYBE_NOT_A_DIGIT,
    Drawing,
    LabelledPrediction,
    Prediction,
    begin_of,
)
from app.repository.columns import HAS_TIME, PREDICTION_COLUMNS, SCORES, without_index
from app.repository.dialects import is_sqlite
from app.repository.labelled_predictions import find_unlisted
from app.repository.labels import current_label, is_labelled
from app.repository.notes_search import among_few_notes, notes_contain
from app.repository.result_days import narrowed
from app.schemas.results import ResultFilters
from app.schemas.types import LAST_ID

_Table = type[Prediction | LabelledPrediction]


class Position(NamedTuple):
    id: int
    created_at: datetime | None


def follows_index(filters: ResultFilters) -> bool:
    """Return whether `list_results` reads no other rows than those of the page."""
    given = filters.given()
    return given <= {"since", "until"} or given in ({"prediction"}, {"model_version"})


def list_results(session: Session, filters: ResultFilters, limit: int, after: Position | None) -> list[Row[Any]]:
    narrow = narrowed(session, filters)
    if narrow is None:
        return []
    filters = narrow
    few = None if filters.notes_contains is None else among_few_notes(session, filters.notes_contains)
    if few is not None:
        statement = _among(session, few, filters, after)
    elif filters.since is not None or filters.until is not None:
        statement = _by_time(session, filters, after)
    elif (filters.label is not None or filters.labelled) and find_unlisted(session) is None:
        statement = _by_label(session, filters, after)
    else:
        statement = _by_arrival(session, filters, after)
    return list(session.execute(statement.limit(limit)))


def matching(filters: ResultFilters, *indexed: str, of: _Table = Prediction) -> list[ColumnElement[bool]]:
    """Return conditions on `predictions`; only the indexes of the columns `indexed` are usable."""

    def column(name: str) -> Any:
        plain = getattr(of, name)
        return plain if name in indexed else without_index(plain)

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
    if filters.since is not None or filters.until is not None:
        conditions.append(HAS_TIME)
    if filters.since is not None:
        conditions.append(Prediction.created_at >= begin_of(filters.since))
    if filters.until is not None:
        conditions.append(Prediction.created_at < begin_of(filters.until))
    if filters.label is not None:
        conditions.append(current_label() == filters.label)
    if filters.labelled is not None:
        conditions.append(is_labelled() if filters.labelled else ~is_labelled())
    if filters.notes_contains is not None:
        conditions += notes_contain(filters.notes_contains)
    return conditions


def _select() -> Select[Any]:
    return select(*PREDICTION_COLUMNS, current_label().label("label"))


def _by_time(session: Session, filters: ResultFilters, after: Position | None) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = []
    if after is not None:
        conditions = _not_later(session, after)
        # SQLite uses only the first of two bounds.
        if filters.until is not None and after.created_at is not None and after.created_at < filters.until:
            filters = filters.model_copy(update={"until": None})
    statement = _select().where(*matching(filters, "created_at"), *conditions)
    return statement.order_by(Prediction.created_at.desc(), Prediction.id.desc())


def _not_later(session: Session, after: Position) -> list[ColumnElement[bool]]:
    # The first condition starts the index scan.
    stored = _find_text(session, after)
    if stored is not None:
        text = type_coerce(Prediction.created_at, String)
        return [text <= stored, or_(text < stored, Prediction.id < after.id)]
    time: Any = after.created_at
    if time is None:
        last = aliased(Prediction)
        time = select(last.created_at).where(last.id == after.id).scalar_subquery()
    begin = time if after.created_at is None else begin_of(after.created_at)
    return [Prediction.created_at <= time, or_(Prediction.created_at < begin, Prediction.id < after.id)]


def _find_text(session: Session, position: Position) -> str | None:
    """Return what SQLite sorts by, unless it has changed."""
    if not is_sqlite(session):
        return None
    found = select(Prediction.created_at, type_coerce(Prediction.created_at, String).label("text"))
    row = session.execute(found.where(Prediction.id == position.id)).one_or_none()
    return row.text if row is not None and row.created_at == position.created_at else None


def _among(session: Session, few: ColumnElement[bool], filters: ResultFilters, after: Position | None) -> Select[Any]:
    time: ColumnElement[Any] = type_coerce(Prediction.created_at, Prediction.created_at.type)
    if is_sqlite(session):
        # Without an order that an index has, SQLite begins with the few.
        time = without_index(type_coerce(Prediction.created_at, String))
    id_, conditions = without_index(Prediction.id), [few, *matching(filters, "id")]
    if filters.since is None and filters.until is None:
        if after is not None:
            conditions.append(id_ < after.id)
        return _select().where(*conditions).order_by(id_.desc())
    if after is not None:
        conditions += _not_later(session, after)
    return _select().where(*conditions).order_by(time.desc(), id_.desc())


def _by_label(session: Session, filters: ResultFilters, after: Position | None) -> Select[Any]:
    listed, partial = LabelledPrediction, _partial_index_column(filters)
    indexed = [partial] if partial else ["prediction", "model_version"]
    label = without_index(listed.label) if partial else listed.label
    rest = filters.model_copy(update={"label": None, "labelled": None})
    statement = select(*PREDICTION_COLUMNS, listed.label.label("label")).join(
        listed, listed.prediction_id == Prediction.id
    )
    name = next((one for one in indexed if one != partial and getattr(filters, one) is not None), None)
    if name and not is_sqlite(session):
        statement = _newest_with(statement, listed.prediction_id, getattr(listed, name), getattr(filters, name), after)
        rest = rest.model_copy(update={name: None})
    if partial:
        statement = statement.where(_partial_index_condition(listed, partial))
    if filters.label is not None:
        statement = statement.where(label == filters.label)
    if filters.labelled is False:
        statement = statement.where(false())
    if after is not None:
        # PostgreSQL does not derive one condition from the other.
        statement = statement.where(listed.prediction_id < after.id, Prediction.id < after.id)
    return statement.where(*matching(rest, *indexed, of=listed)).order_by(listed.prediction_id.desc())


def _by_arrival(session: Session, filters: ResultFilters, after: Position | None) -> Select[Any]:
    if partial := _partial_index_column(filters):
        statement = _select().where(*matching(filters, partial), _partial_index_condition(Prediction, partial))
    elif filters.model_version is not None:
        return _by_value(session, "model_version", filters, after)
    elif filters.prediction is not None:
        return _by_value(session, "prediction", filters, after)
    else:
        statement = _select().where(*matching(filters, "id"))
    return statement.where(*_before(after)).order_by(Prediction.id.desc())


def _partial_index_column(filters: ResultFilters) -> str | None:
    """Return a column whose partial index has all matching rows."""
    if filters.min_not_a_digit is not None and filters.min_not_a_digit >= MAYBE_NOT_A_DIGIT:
        return "not_a_digit"
    if filters.max_confidence is not None and filters.max_confidence <= LOW_CONFIDENCE:
        return "confidence"
    return None


def _partial_index_condition(of: _Table, column: str) -> ColumnElement[bool]:
    """Return the condition of the partial index, with the same number in its text."""
    if column == "not_a_digit":
        return of.not_a_digit >= literal_column(str(MAYBE_NOT_A_DIGIT))
    return of.confidence <= literal_column(str(LOW_CONFIDENCE))


def _before(after: Position | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [Prediction.id < after.id]


def _by_value(session: Session, name: str, filters: ResultFilters, after: Position | None) -> Select[Any]:
    # With the index of the notes PostgreSQL chooses well.
    if is_sqlite(session) or filters.notes_contains is not None:
        statement = _select().where(*matching(filters, name), *_before(after))
        return statement.order_by(Prediction.id.desc())
    rest = matching(filters.model_copy(update={name: None}), name)
    statement = _newest_with(_select(), Prediction.id, getattr(Prediction, name), getattr(filters, name), after)
    return statement.where(*rest).order_by(Prediction.id.desc())


def _newest_with(
    statement: Select[Any],
    id_: InstrumentedAttribute[int],
    column: InstrumentedAttribute[str],
    value: str,
    after: Position | None,
) -> Select[Any]:
    # Ordered by (value, id), or PostgreSQL may scan half the table for a rare value. SQLite cannot use such a range.
    last = LAST_ID if after is None else after.id - 1
    within = tuple_(column, id_) <= tuple_(literal(value), literal(last, BigInteger()))
    return statement.where(column >= value, within).order_by(column.desc())


def find_result(session: Session, prediction_id: int) -> Row[Any] | None:
    more = (Prediction.request_id, Prediction.trace_id, SCORES, Drawing.pixels, current_label().label("label"))
    statement = select(*PREDICTION_COLUMNS, *more).outerjoin(Drawing, Drawing.prediction_id == Prediction.id)
    return session.execute(statement.where(Prediction.id == prediction_id)).one_or_none()


def lock_prediction(session: Session, prediction_id: int, *, deletes: bool) -> bool:
    """Lock a prediction (on PostgreSQL); return whether it exists."""
    statement = select(Prediction.id).where(Prediction.id == prediction_id)
    # Unless it is deleted, rows that refer to it may be added meanwhile.
    return session.scalar(statement.with_for_update(key_share=not deletes)) is not None


def set_notes(session: Session, prediction_id: int, notes: str | None) -> None:
    session.execute(update(Prediction).where(Prediction.id == prediction_id).values(notes=notes))


def delete_prediction(session: Session, prediction_id: int) -> None:
    session.execute(delete(Prediction).where(Prediction.id == prediction_id))
