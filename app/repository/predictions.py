"""Predictions and their drawings: stored, read one by one, changed, deleted."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Row, Table, delete, insert, select, update
from sqlalchemy.orm import Session

from app.drawings.shape import DIGITS
from app.models import Drawing, Prediction
from app.repository.labels import current_label


class NewPrediction(NamedTuple):
    """One classified drawing to store: 784 bytes of pixels and the score of each digit."""

    prediction: str
    confidence: float
    model_version: str
    request_id: str
    client: str
    pixels: bytes
    scores: dict[str, float]


# Stated on the tables, not on the classes: this is every request's path, and what the ORM adds to an INSERT takes
# longer than the INSERT.
_PREDICTIONS = cast(Table, Prediction.__table__)
_INSERT_PREDICTION = insert(_PREDICTIONS)
_INSERT_PREDICTIONS = insert(_PREDICTIONS).returning(_PREDICTIONS.c.id, sort_by_parameter_order=True)
_INSERT_DRAWING = insert(cast(Table, Drawing.__table__))


def add_predictions(session: Session, many: Sequence[NewPrediction]) -> tuple[list[int], datetime]:
    """Store at least one prediction, each with its drawing; return their ids in the same order, and their time."""
    created_at = datetime.now(UTC)
    connection = session.connection()
    rows = [_prediction_row(new, created_at) for new in many]
    if len(rows) == 1:
        # A single INSERT tells its id by itself, in half the time of one that returns ids.
        ids = [cast(Row[Any], connection.execute(_INSERT_PREDICTION, rows[0]).inserted_primary_key)[0]]
    else:
        ids = list(connection.scalars(_INSERT_PREDICTIONS, rows))
    connection.execute(_INSERT_DRAWING, [_drawing_row(new, id_) for new, id_ in zip(many, ids, strict=True)])
    return ids, created_at


def _prediction_row(new: NewPrediction, created_at: datetime) -> dict[str, Any]:
    return {
        "prediction": new.prediction,
        "confidence": new.confidence,
        "model_version": new.model_version,
        "created_at": created_at,
        "request_id": new.request_id,
        "client": new.client,
    }


def _drawing_row(new: NewPrediction, prediction_id: int) -> dict[str, Any]:
    # By digit: a model file may list its classes in another order.
    scores = [new.scores[digit] for digit in DIGITS]
    second, first = sorted(scores)[-2:]
    return {"prediction_id": prediction_id, "pixels": new.pixels, "scores": scores, "margin": round(first - second, 6)}


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
