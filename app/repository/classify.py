"""Insert predictions with their drawings."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Column, Connection, Insert, Row, Table, bindparam, insert, select, text
from sqlalchemy.orm import Session

from app.drawings.packing import pack
from app.drawings.shape import DIGITS, LIKELY_NOT_A_DIGIT
from app.models import Drawing, Prediction


class NewPrediction(NamedTuple):
    """`pixels` are 784 bytes, `scores` by digit."""

    prediction: str
    confidence: float
    not_a_digit: float | None
    model_version: str
    request_id: str
    client: str
    pixels: bytes
    scores: dict[str, float]
    trace_id: str | None = None

    @property
    def is_likely_not_a_digit(self) -> bool:
        return self.not_a_digit is not None and self.not_a_digit > LIKELY_NOT_A_DIGIT


# SQLAlchemy Core, because the ORM takes longer than the INSERT itself.
_PREDICTIONS = cast(Table, Prediction.__table__)
_INSERT_PREDICTION = insert(_PREDICTIONS)
_INSERT_PREDICTIONS = insert(_PREDICTIONS).returning(_PREDICTIONS.c.id, sort_by_parameter_order=True)
# Of deleted rows too, whose ids are never used again.
_LAST_ID = text(
    "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'predictions'), 0),"
    " coalesce((SELECT max(id) FROM predictions), 0))"
)
_DRAWINGS = cast(Table, Drawing.__table__)
_INSERT_DRAWING = insert(_DRAWINGS)


def add_predictions(
    session: Session, many: Sequence[NewPrediction], *, packed: bool = True
) -> tuple[list[int], datetime]:
    """Return the ids, in the same order, and the time; `packed` says whether to pack the pixels."""
    created_at = datetime.now(UTC)
    connection = session.connection()
    rows = [_prediction_row(new, created_at) for new in many]
    drawings = [_drawing_row(new, packed=packed) for new in many]
    if len(many) == 1 and connection.dialect.name == "postgresql":
        return [connection.scalar(_insert_both(), rows[0] | drawings[0]) or 0], created_at
    ids = _insert_predictions(connection, rows)
    connection.execute(_INSERT_DRAWING, [{"prediction_id": id_, **row} for id_, row in zip(ids, drawings, strict=True)])
    return ids, created_at


@cache
def _insert_both() -> Insert:
    """One message to PostgreSQL instead of two; SQLite has no such statement."""
    given: list[Column[Any]] = [column for column in _PREDICTIONS.c if column.name not in ("id", "notes")]
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in given}
    prediction = insert(_PREDICTIONS).values(values).returning(_PREDICTIONS.c.id).cte()
    given = [column for column in _DRAWINGS.c if column.name != "prediction_id"]
    chosen = select(prediction.c.id, *(bindparam(column.name, type_=column.type) for column in given))
    key = _DRAWINGS.c.prediction_id
    return insert(_DRAWINGS).from_select([key, *given], chosen).returning(key)


def _insert_predictions(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    if len(rows) == 1:
        # This takes half the time of an INSERT with RETURNING.
        return [cast(Row[Any], connection.execute(_INSERT_PREDICTION, rows[0]).inserted_primary_key)[0]]
    if connection.dialect.name == "postgresql":
        return list(connection.scalars(_INSERT_PREDICTIONS, rows))
    # With RETURNING, SQLAlchemy would send a statement for each row. Nothing else writes during this transaction.
    last = connection.scalar(_LAST_ID) or 0
    ids = list(range(last + 1, last + 1 + len(rows)))
    connection.execute(_INSERT_PREDICTION, [{"id": id_, **row} for id_, row in zip(ids, rows, strict=True)])
    return ids


def _prediction_row(new: NewPrediction, created_at: datetime) -> dict[str, Any]:
    return {
        "prediction": new.prediction,
        "confidence": new.confidence,
        "not_a_digit": new.not_a_digit,
        "model_version": new.model_version,
        "created_at": created_at,
        "request_id": new.request_id,
        "client": new.client,
        "trace_id": new.trace_id,
    }


def _drawing_row(new: NewPrediction, *, packed: bool) -> dict[str, Any]:
    # A model may order its classes differently.
    scores = [new.scores[digit] for digit in DIGITS]
    second, first = sorted(scores)[-2:]
    pixels = pack(new.pixels) if packed else new.pixels
    return {"pixels": pixels, "scores": scores, "margin": round(first - second, 6)}
