"""Predictions for the database tests."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.models import Prediction


def a_prediction(**overrides: Any) -> Prediction:
    """A prediction that is not stored, with these columns changed."""
    return Prediction(**{"prediction": "7", "confidence": 0.94, "model_version": "v1", **overrides})


def add_prediction(session: Session) -> int:
    """Store a prediction; return its id."""
    added = a_prediction()
    session.add(added)
    session.flush()
    return added.id


def count_predictions(session: Session) -> int:
    """How many predictions are stored."""
    return session.scalar(sa.select(sa.func.count()).select_from(Prediction)) or 0
