"""Insert predictions with their drawings."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any, Final, NamedTuple, cast

import msgspec
from sqlalchemy import Column, Connection, Insert, Table, bindparam, insert, select
from sqlalchemy.orm import Session

from app.drawings.packing import pack
from app.drawings.shape import DIGITS
from app.models import Drawing, Prediction
from app.repository.dialects import is_sqlite


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


# SQLAlchemy Core, because the ORM takes longer than the INSERT itself.
_PREDICTIONS = cast(Table, Prediction.__table__)
_INSERT_PREDICTIONS = insert(_PREDICTIONS).returning(_PREDICTIONS.c.id, sort_by_parameter_order=True)
_DRAWINGS = cast(Table, Drawing.__table__)
_INSERT_DRAWING = insert(_DRAWINGS)

# A prepared statement is kept for each number of rows.
_INSERT_BATCH_SIZE: Final = 64


def add_predictions(
    session: Session, many: Sequence[NewPrediction], *, packed: bool = True
) -> tuple[list[int], datetime]:
    """Return the ids, in the same order, and the time; `packed` says whether to pack the pixels."""
    created_at = datetime.now(UTC)
    connection = session.connection()
    rows = [_prediction_row(new, created_at) for new in many]
    pixels = [new.pixels for new in many]
    drawings = [_drawing_row(new, one) for new, one in zip(many, pack(pixels) if packed else pixels, strict=True)]
    if is_sqlite(session):
        return _insert_in_sqlite(connection, rows, drawings), created_at
    if len(many) == 1:
        return [connection.scalar(_insert_both(*rows[0], *drawings[0]), rows[0] | drawings[0]) or 0], created_at
    ids = list(connection.scalars(_INSERT_PREDICTIONS, rows))
    connection.execute(_INSERT_DRAWING, [{"prediction_id": id_, **row} for id_, row in zip(ids, drawings, strict=True)])
    return ids, created_at


@cache
def _insert_both(*names: str) -> Insert:
    """One message to PostgreSQL instead of two; SQLite has no such statement."""
    given: list[Column[Any]] = [column for column in _PREDICTIONS.c if column.name in names]
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in given}
    prediction = insert(_PREDICTIONS).values(values).returning(_PREDICTIONS.c.id).cte()
    given = [column for column in _DRAWINGS.c if column.name in names]
    chosen = select(prediction.c.id, *(bindparam(column.name, type_=column.type) for column in given))
    key = _DRAWINGS.c.prediction_id
    return insert(_DRAWINGS).from_select([key, *given], chosen).returning(key)


def _insert_in_sqlite(
    connection: Connection, rows: Sequence[dict[str, Any]], drawings: Sequence[dict[str, Any]]
) -> list[int]:
    """Insert many rows with one statement: after each, the thread may wait for the event loop."""
    created_at = f"{rows[0]['created_at']:%Y-%m-%d %H:%M:%S.%f}"
    ids: list[int] = []
    for first in range(0, len(rows), _INSERT_BATCH_SIZE):
        some = [{**row, "created_at": created_at} for row in rows[first : first + _INSERT_BATCH_SIZE]]
        last = _insert(connection, _PREDICTIONS, some)
        new = range(last - len(some) + 1, last + 1)
        texts = [
            {"prediction_id": id_, **row, "scores": msgspec.json.encode(row["scores"]).decode()}
            for id_, row in zip(new, drawings[first : first + _INSERT_BATCH_SIZE], strict=True)
        ]
        _insert(connection, _DRAWINGS, texts)
        ids += new
    return ids


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Return the last id; nothing else writes during the transaction, so the others are before it."""
    values = tuple(chain.from_iterable(row.values() for row in rows))
    # By the driver, because SQLAlchemy takes longer than SQLite.
    return connection.exec_driver_sql(_insert_statement(table.name, len(rows), *rows[0]), values).lastrowid


@cache
def _insert_statement(table: str, count: int, *columns: str) -> str:
    values = f"({', '.join('?' for _ in columns)})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([values] * count)}"  # noqa: S608  # nosec B608  # Our names.


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


def _drawing_row(new: NewPrediction, pixels: bytes) -> dict[str, Any]:
    # A model may order its classes differently.
    scores = [new.scores[digit] for digit in DIGITS]
    second, first = sorted(scores)[-2:]
    return {"pixels": pixels, "scores": scores, "margin": round(first - second, 6)}
