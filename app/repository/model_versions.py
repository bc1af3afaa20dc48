from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app.drawings.shape import NOT_A_DIGIT
from app.models import Label, Prediction, ShadowPrediction
from app.repository.labels import is_current
from app.repository.stats import confidence_sum, count_groups


def count_versions(session: Session) -> list[Row[Any]]:
    rows = select(Prediction.model_version, Prediction.confidence, Prediction.created_at).subquery()
    oldest, latest = func.min(rows.c.created_at), func.max(rows.c.created_at)
    return count_groups(session, rows, 1, confidence_sum(rows), oldest.label("oldest"), latest.label("newest"))


def count_shadow(session: Session) -> list[Row[Any]]:
    agreed = (ShadowPrediction.prediction == Prediction.prediction).label("agreed")
    columns = (ShadowPrediction.model_version, ShadowPrediction.model_sha256, agreed)
    statement = select(*columns, ShadowPrediction.confidence, Prediction.created_at)
    rows = statement.join(Prediction, Prediction.id == ShadowPrediction.prediction_id).subquery()
    oldest, latest = func.min(rows.c.created_at), func.max(rows.c.created_at)
    return count_groups(session, rows, 3, confidence_sum(rows), oldest.label("oldest"), latest.label("newest"))


def count_shadow_labels(session: Session) -> list[Row[Any]]:
    columns = (ShadowPrediction.model_version, ShadowPrediction.model_sha256)
    correct = (Label.label == ShadowPrediction.prediction).label("correct")
    answered = (Label.label == Prediction.prediction).label("answered_correct")
    not_a_digit = (Label.label == NOT_A_DIGIT).label("not_a_digit")
    statement = select(*columns, correct, answered, not_a_digit).select_from(Label)
    statement = statement.join(ShadowPrediction, ShadowPrediction.prediction_id == Label.prediction_id)
    statement = statement.join(Prediction, Prediction.id == Label.prediction_id).where(is_current())
    return count_groups(session, statement.subquery(), 5)
