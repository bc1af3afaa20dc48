from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Label, Prediction, Review
from app.repository.drift import READ_BATCH_SIZE
from app.repository.labels import is_current
from app.repository.results import matching
from app.schemas.results import ResultFilters


def list_labelled(session: Session, filters: ResultFilters, *, sampled: bool) -> Iterator[tuple[float, bool]]:
    """Yield confidence and correctness, with `sampled` of random samples only."""
    correct = Label.label == Prediction.prediction
    statement = select(Prediction.confidence, correct).select_from(Label)
    statement = statement.join(Prediction, Prediction.id == Label.prediction_id)
    if sampled:
        statement = statement.join(Review, Review.prediction_id == Prediction.id).where(Review.sampled)
    statement = statement.where(is_current(), *matching(filters, indexed="id"))
    for row in session.execute(statement.execution_options(yield_per=READ_BATCH_SIZE)):
        yield row[0], row[1]
