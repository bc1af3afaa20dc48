"""Predictions, labels and shadow predictions, counted by model version."""

from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app.models import Label, Prediction, ShadowPrediction
from app.repository.labels import is_current
from app.repository.stats import confidence_sum, count_groups


def count_versions(session: Session) -> list[Row[Any]]:
    """Count by model_version; return it, `size`, `confidence`, the sum, and `oldest` and `newest`, times or None."""
    rows = select(Prediction.model_version, Prediction.confidence, Prediction.created_at).subquery()
    oldest, latest = func.min(rows.c.created_at), func.max(rows.c.created_at)
    return count_groups(session, rows, 1, confidence_sum(rows), oldest.label("oldest"), latest.label("newest"))


def count_shadow(session: Session) -> list[Row[Any]]:
    """Count what shadow models said by model_version, model_sha256 and agreed; return these and four more.

    `agreed` says that it is what was answered. `size`; `confidence`, the sum; `oldest` and `newest`, of the drawings.
    """
    agreed = (ShadowPrediction.prediction == Prediction.prediction).label("agreed")
    columns = (ShadowPrediction.model_version, ShadowPrediction.model_sha256, agreed)
    statement = select(*columns, ShadowPrediction.confidence, Prediction.created_at)
    rows = statement.join(Prediction, Prediction.id == ShadowPrediction.prediction_id).subquery()
    oldest, latest = func.min(rows.c.created_at), func.max(rows.c.created_at)
    return count_groups(session, rows, 3, confidence_sum(rows), oldest.label("oldest"), latest.label("newest"))


def count_shadow_labels(session: Session) -> list[Row[Any]]:
    """Count the labels that count on drawings that shadow models saw; return five columns and `size`.

    By model_version and model_sha256, correct, answered_correct (what was answered, that is) and not_a_digit.
    """
    columns = (ShadowPrediction.model_version, ShadowPrediction.model_sha256)
    correct = (Label.label == ShadowPrediction.prediction).label("correct")
    answered = (Label.label == Prediction.prediction).label("answered_correct")
    statement = select(*columns, correct, answered, (Label.label == "none").label("not_a_digit")).select_from(Label)
    statement = statement.join(ShadowPrediction, ShadowPrediction.prediction_id == Label.prediction_id)
    statement = statement.join(Prediction, Prediction.id == Label.prediction_id).where(is_current())
    return count_groups(session, statement.subquery(), 5)
