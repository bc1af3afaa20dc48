"""Labelled predictions, to compare confidence with correctness."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Label, Prediction, Review
from app.repository.drift import PIECE
from app.repository.labels import is_current
from app.repository.results import matching
from app.schemas.results import ResultFilters


def list_judged(session: Session, filters: ResultFilters, *, sampled: bool) -> Iterator[tuple[float, bool]]:
    """Yield confidence and whether it was right of every prediction with a label; the last label counts.

    With `sampled` only those that `/review` drew at random. What is no digit was answered wrongly, whatever was said.
    """
    right = Label.label == Prediction.prediction
    statement = select(Prediction.confidence, right).select_from(Label)
    statement = statement.join(Prediction, Prediction.id == Label.prediction_id)
    if sampled:
        statement = statement.join(Review, Review.prediction_id == Prediction.id).where(Review.sampled)
    statement = statement.where(is_current(), *matching(filters, indexed="id"))
    for row in session.execute(statement.execution_options(yield_per=PIECE)):
        yield row[0], row[1]
