"""Pixels of stored drawings, 784 bytes each."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Drawing


def find_pixels(session: Session, prediction_id: int) -> bytes | None:
    return session.scalar(select(Drawing.pixels).where(Drawing.prediction_id == prediction_id))


def list_pixels(session: Session, ids: Sequence[int]) -> dict[int, bytes]:
    """Return pixels by prediction id, ascending."""
    statement = select(Drawing.prediction_id, Drawing.pixels).where(Drawing.prediction_id.in_(ids))
    return dict(session.execute(statement.order_by(Drawing.prediction_id)).tuples().all())


def list_newest_pixels(session: Session, limit: int) -> list[bytes]:
    return list(session.scalars(select(Drawing.pixels).order_by(Drawing.prediction_id.desc()).limit(limit)))
