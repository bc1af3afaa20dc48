"""The table of labelled predictions, which triggers keep."""

from sqlalchemy import Select, delete, exists, func, insert, select, union_all
from sqlalchemy.orm import Session

from app.models import Label, LabelledPrediction, Prediction, UnlistedPredictions
from app.repository.labels import is_current
from app.repository.steps import IdRange, find_id_range, find_remaining, set_remaining, stop_writers, take_step

_COPIED = ("prediction", "model_version", "confidence", "not_a_digit")
_COLUMNS = ("prediction_id", "label", *_COPIED)


def find_unlisted(session: Session) -> IdRange | None:
    return find_remaining(session, UnlistedPredictions)


def add_next(session: Session) -> IdRange | None:
    return take_step(session, UnlistedPredictions, Label.prediction_id, _add)


def clear(session: Session) -> None:
    """Empty the table, so that every label is listed again."""
    stop_writers(session)
    session.execute(delete(LabelledPrediction))
    set_remaining(session, UnlistedPredictions, find_id_range(session, Label.prediction_id))


def count_differences(session: Session) -> int:
    """Return how many predictions are wrong or missing."""
    expected, listed = _labelled(), select(*(getattr(LabelledPrediction, name) for name in _COLUMNS))
    missing, wrong = expected.except_(listed).subquery(), listed.except_(expected).subquery()
    either = union_all(select(missing.c.prediction_id), select(wrong.c.prediction_id)).subquery()
    return session.scalar(select(func.count(either.c.prediction_id.distinct()))) or 0


def _labelled() -> Select[tuple[int, str, str, str, float, float]]:
    copied = (getattr(Prediction, name) for name in _COPIED)
    rows = select(Label.prediction_id, Label.label, *copied)
    return rows.join(Prediction, Prediction.id == Label.prediction_id).where(is_current())


def _add(session: Session, ids: IdRange) -> None:
    is_listed = exists().where(LabelledPrediction.prediction_id == Label.prediction_id)
    # PostgreSQL does not derive one range from the other.
    rows = _labelled().where(Label.prediction_id.between(*ids), Prediction.id.between(*ids), ~is_listed)
    session.execute(insert(LabelledPrediction).from_select(_COLUMNS, rows))
