from collections.abc import Sequence
from typing import NamedTuple, cast

from sqlalchemy import Table, exists, insert, select
from sqlalchemy.orm import Session

from app.models import Prediction, ShadowPrediction


class NewShadowPrediction(NamedTuple):
    prediction_id: int
    prediction: str
    confidence: float
    not_a_digit: float | None


_INSERT = insert(cast(Table, ShadowPrediction.__table__))


def add_shadow_predictions(
    session: Session, model_sha256: str, model_version: str, new: Sequence[NewShadowPrediction]
) -> None:
    """Skip deleted predictions and those already answered."""
    ids = [one.prediction_id for one in new]
    answered = exists().where(
        ShadowPrediction.prediction_id == Prediction.id, ShadowPrediction.model_sha256 == model_sha256
    )
    missing = select(Prediction.id).where(Prediction.id.in_(ids), ~answered.correlate(Prediction))
    # Prevents deletion meanwhile.
    locked = missing.order_by(Prediction.id).with_for_update(read=True, key_share=True, of=Prediction)
    wanted = set(session.scalars(locked))
    rows = [
        {**one._asdict(), "model_sha256": model_sha256, "model_version": model_version}
        # In the order of the locks.
        for one in sorted(new)
        if one.prediction_id in wanted
    ]
    if rows:
        session.connection().execute(_INSERT, rows)
