"""Labels. The one with the highest id counts."""

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Row, ScalarSelect, exists, insert, select
from sqlalchemy.orm import Session, aliased

from app.models import Label, Prediction
from app.schemas.labels import MAX_LISTED


def current_label() -> ScalarSelect[str]:
    newest = select(Label.label).where(Label.prediction_id == Prediction.id).order_by(Label.id.desc()).limit(1)
    return newest.correlate(Prediction).scalar_subquery()


def is_current() -> ColumnElement[bool]:
    """True for a row of `labels` without a later one."""
    newer = aliased(Label)
    return ~exists().where(newer.prediction_id == Label.prediction_id, newer.id > Label.id)


def is_labelled() -> ColumnElement[bool]:
    return exists().where(Label.prediction_id == Prediction.id).correlate(Prediction)


def add_label(session: Session, prediction_id: int, label: str, source: str) -> datetime:
    created_at = datetime.now(UTC)
    values = {"prediction_id": prediction_id, "label": label, "source": source, "created_at": created_at}
    session.execute(insert(Label).values(values))
    return created_at


def list_labels(session: Session, prediction_id: int) -> list[Row[tuple[str, str, datetime]]]:
    """Return label, source and created_at of the newest MAX_LISTED."""
    statement = select(Label.label, Label.source, Label.created_at).where(Label.prediction_id == prediction_id)
    return list(session.execute(statement.order_by(Label.id.desc()).limit(MAX_LISTED)))
