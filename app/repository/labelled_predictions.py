"""The table of labelled predictions, which triggers keep."""

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from app.models import Label, LabelledPrediction, Prediction, UnlistedPredictions
from app.repository.counts import STEP_SIZE, Ids, stop_writers
from app.repository.labels import is_current


def find_unlisted(session: Session) -> Ids | None:
    row = session.execute(select(UnlistedPredictions.first, UnlistedPredictions.last)).tuples().first()
    return None if row is None else (row[0], row[1])


def list_next(session: Session) -> Ids | None:
    """Add the next labels; return the range of ids that is left."""
    stop_writers(session)
    unlisted = find_unlisted(session)
    if unlisted is None:
        return None
    first, last = unlisted
    ids = select(Label.prediction_id).where(Label.prediction_id.between(first, last))
    ids = ids.order_by(Label.prediction_id).limit(STEP_SIZE)
    end = session.scalar(select(func.max(ids.subquery().c.prediction_id)))
    if end is None:
        session.execute(delete(UnlistedPredictions))
        return None
    _add(session, (first, end))
    session.execute(update(UnlistedPredictions).values(first=end + 1))
    return end + 1, last


def _add(session: Session, ids: Ids) -> None:
    names = ("prediction_id", "label", "prediction", "model_version", "confidence", "not_a_digit")
    copied = (getattr(Prediction, name) for name in names[2:])
    rows = select(Label.prediction_id, Label.label, *copied).join(Prediction, Prediction.id == Label.prediction_id)
    is_listed = exists().where(LabelledPrediction.prediction_id == Label.prediction_id)
    # PostgreSQL does not derive one range from the other.
    rows = rows.where(Label.prediction_id.between(*ids), Prediction.id.between(*ids), is_current(), ~is_listed)
    session.execute(insert(LabelledPrediction).from_select(names, rows))
