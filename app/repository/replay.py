from typing import Any, NamedTuple

from sqlalchemy import Row, Select, exists, func, select
from sqlalchemy.orm import Session

from app.models import Prediction, Review
from app.repository.labels import current_label


class ReplayRange(NamedTuple):
    """Predictions up to an id, of one version or all."""

    model_version: str | None
    last_id: int
    size: int


def find_range(session: Session, model_version: str | None) -> ReplayRange:
    statement = select(func.coalesce(func.max(Prediction.id), 0), func.count())
    if model_version is not None:
        statement = statement.where(Prediction.model_version == model_version)
    last_id, size = session.execute(statement).one()
    return ReplayRange(model_version, last_id, size)


def list_times(session: Session, within: ReplayRange, after: int | None, limit: int) -> list[Row[Any]]:
    """Return the next ids with their times."""
    return list(session.execute(_next(select(Prediction.id, Prediction.created_at), within, after, limit)))


def list_predictions(session: Session, within: ReplayRange, after: int | None, limit: int) -> list[Row[Any]]:
    sampled = exists().where(Review.prediction_id == Prediction.id, Review.sampled).correlate(Prediction)
    columns = (
        Prediction.id,
        Prediction.prediction,
        Prediction.confidence,
        Prediction.not_a_digit,
        Prediction.model_version,
        current_label().label("label"),
        sampled.label("sampled"),
    )
    return list(session.execute(_next(select(*columns), within, after, limit)))


def _next(statement: Select[Any], within: ReplayRange, after: int | None, limit: int) -> Select[Any]:
    statement = statement.where(Prediction.id <= within.last_id)
    if within.model_version is not None:
        statement = statement.where(Prediction.model_version == within.model_version)
    if after is not None:
        statement = statement.where(Prediction.id > after)
    return statement.order_by(Prediction.id).limit(limit)
