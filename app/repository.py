"""Every SQL statement on predictions. Nothing here begins or ends a transaction."""

from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Row, Table, insert, select
from sqlalchemy.orm import Session

from app.models import Drawing, Prediction


class NewPrediction(NamedTuple):
    """What is remembered of one classified drawing: 784 bytes of pixels and the ten scores in the classes' order."""

    prediction: str
    confidence: float
    model_version: str
    request_id: str
    client: str
    pixels: bytes
    scores: dict[str, float]


# Stated on the tables, not on the classes: this is every request's path, and what the ORM adds to an INSERT takes
# longer than the INSERT.
_INSERT_PREDICTION = insert(cast(Table, Prediction.__table__))
_INSERT_DRAWING = insert(cast(Table, Drawing.__table__))


def add_prediction(session: Session, new: NewPrediction) -> tuple[int, datetime]:
    """Store the prediction and its drawing; return its id and time."""
    created_at = datetime.now(UTC)
    row = {
        "prediction": new.prediction,
        "confidence": new.confidence,
        "model_version": new.model_version,
        "created_at": created_at,
        "request_id": new.request_id,
        "client": new.client,
    }
    connection = session.connection()
    prediction_id: int = cast(Row[Any], connection.execute(_INSERT_PREDICTION, row).inserted_primary_key)[0]
    drawing = {"prediction_id": prediction_id, "pixels": new.pixels, "scores": list(new.scores.values())}
    connection.execute(_INSERT_DRAWING, drawing)
    return prediction_id, created_at


def list_predictions(session: Session, limit: int) -> list[Row[Any]]:
    """Return the newest predictions, newest first. Ids grow for ever, so they are the order of arrival."""
    columns = (
        Prediction.id,
        Prediction.prediction,
        Prediction.confidence,
        Prediction.model_version,
        Prediction.created_at,
    )
    return list(session.execute(select(*columns).order_by(Prediction.id.desc()).limit(limit)))


def find_prediction(session: Session, prediction_id: int) -> tuple[Prediction, list[float] | None] | None:
    """Return the prediction and its scores (None when it has no drawing), or None when there is none."""
    statement = (
        select(Prediction, Drawing.scores)
        .outerjoin(Drawing, Drawing.prediction_id == Prediction.id)
        .where(Prediction.id == prediction_id)
    )
    row = session.execute(statement).one_or_none()
    return None if row is None else (row[0], row[1])


def find_pixels(session: Session, prediction_id: int) -> bytes | None:
    """Return the 784 bytes that were classified, or None when there is no such drawing."""
    return session.scalar(select(Drawing.pixels).where(Drawing.prediction_id == prediction_id))
