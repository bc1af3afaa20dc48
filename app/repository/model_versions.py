from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, select, text
from sqlalchemy.orm import Session

from app.models import Prediction, ShadowCount, ShadowPrediction
from app.repository.computed_counts import SHADOW_KEY, SUMS, computed, summed
from app.repository.counts import are_complete, view_of


def count_shadow(session: Session) -> list[Row[Any]]:
    return list(session.execute(_summed(session, SHADOW_KEY, SUMS)))


def find_shadow_ends(session: Session) -> list[Row[Any]]:
    models = _summed(session, ("model_version", "model_sha256"), ("size",)).subquery()
    times = select(Prediction.created_at).join(ShadowPrediction, ShadowPrediction.prediction_id == Prediction.id)
    times = times.where(ShadowPrediction.model_sha256 == models.c.model_sha256, Prediction.created_at.is_not(None))
    first = times.order_by(ShadowPrediction.prediction_id).limit(1).scalar_subquery()
    last = times.order_by(ShadowPrediction.prediction_id.desc()).limit(1).scalar_subquery()
    return list(session.execute(select(models, first.label("oldest"), last.label("newest"))))


def _summed(session: Session, key: Sequence[str], sums: Sequence[str]) -> Select[Any]:
    counts = view_of(ShadowCount) if are_complete(session) else computed(ShadowCount).subquery()
    return summed(select(*counts.c), key, sums).having(text("sum(size) <> 0"))
