"""Stored answers and drawings for a replay: read piece by piece in the order of ids, so that no read is long."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, exists, func, select
from sqlalchemy.orm import Session

from app.models import Drawing, Prediction, Review
from app.repository.labels import current_label


class Stretch(NamedTuple):
    """The predictions of one version, or of all, up to the newest there was when somebody began to read them."""

    model_version: str | None
    newest: int
    size: int


def stretch(session: Session, model_version: str | None) -> Stretch:
    """Return the predictions that are there: those of a version, or all."""
    statement = select(func.coalesce(func.max(Prediction.id), 0), func.count())
    if model_version is not None:
        statement = statement.where(Prediction.model_version == model_version)
    newest, size = session.execute(statement).one()
    return Stretch(model_version, newest, size)


def list_ids(session: Session, within: Stretch, after: int | None, limit: int) -> list[int]:
    """Return the next ids of the stretch, in ascending order."""
    return list(session.scalars(_next(select(Prediction.id), within, after, limit)))


def list_answers(session: Session, within: Stretch, after: int | None, limit: int) -> list[Row[Any]]:
    """Return what was answered next in the stretch, in ascending order of ids.

    Each row has id, prediction, confidence, model_version, the label that counts, and whether it was drawn at random.
    """
    sampled = exists().where(Review.prediction_id == Prediction.id, Review.sampled).correlate(Prediction)
    columns = (
        Prediction.id,
        Prediction.prediction,
        Prediction.confidence,
        Prediction.model_version,
        current_label().label("label"),
        sampled.label("sampled"),
    )
    return list(session.execute(_next(select(*columns), within, after, limit)))


def find_drawings(session: Session, ids: Sequence[int]) -> dict[int, bytes]:
    """Return the pixels, 784 bytes each, of those predictions that have a drawing, in ascending order of ids."""
    statement = select(Drawing.prediction_id, Drawing.pixels).where(Drawing.prediction_id.in_(ids))
    return {row.prediction_id: row.pixels for row in session.execute(statement.order_by(Drawing.prediction_id))}


def newest_drawings(session: Session, limit: int) -> list[bytes]:
    """Return the pixels of the newest drawings, 784 bytes each."""
    return list(session.scalars(select(Drawing.pixels).order_by(Drawing.prediction_id.desc()).limit(limit)))


def _next(statement: Select[Any], within: Stretch, after: int | None, limit: int) -> Select[Any]:
    statement = statement.where(Prediction.id <= within.newest)
    if within.model_version is not None:
        statement = statement.where(Prediction.model_version == within.model_version)
    if after is not None:
        statement = statement.where(Prediction.id > after)
    return statement.order_by(Prediction.id).limit(limit)
