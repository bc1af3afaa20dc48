"""What exports read: first which rows there are, by id, then what is in them, some thousands at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, Text, cast, select
from sqlalchemy.orm import Session

from app.models import Drawing, Label, Prediction
from app.repository.labels import current_label, is_current
from app.repository.results import matching
from app.schemas.results import ResultFilters

Subject = Row[tuple[int, str, str, str | None]]


def iterate_subjects(
    session: Session, filters: ResultFilters, *, labelled_only: bool, size: int
) -> Iterator[Sequence[Subject]]:
    """Yield, `size` at a time, the id, the prediction, the model version and the label of what matches, by id.

    Only rows this narrow are sorted, where the database has to; whatever it decides, the time is linear.
    """
    statement = _labelled(filters) if labelled_only else _all(filters)
    yield from session.execute(statement, execution_options={"yield_per": size}).partitions()


def _all(filters: ResultFilters) -> Select[Any]:
    columns = (Prediction.id, Prediction.prediction, Prediction.model_version, current_label().label("label"))
    return select(*columns).where(*matching(filters, indexed="id")).order_by(Prediction.id)


def _labelled(filters: ResultFilters) -> Select[Any]:
    """Begin at the labels, which are few beside the predictions."""
    rest = filters.model_copy(update={"label": None, "labelled": None})
    columns = (Prediction.id, Prediction.prediction, Prediction.model_version, Label.label)
    statement = select(*columns).join(Label, Label.prediction_id == Prediction.id)
    statement = statement.where(is_current(), *matching(rest, indexed="id"))
    if filters.label is not None:
        statement = statement.where(Label.label == filters.label)
    return statement.order_by(Label.prediction_id)


def list_pixels(session: Session, ids: Sequence[int]) -> dict[int, bytes]:
    """Return the 784 bytes of those predictions that have a drawing, by id and in the order of ids."""
    statement = select(Drawing.prediction_id, Drawing.pixels).where(Drawing.prediction_id.in_(ids))
    return dict(session.execute(statement.order_by(Drawing.prediction_id)).tuples().all())


def list_contents(session: Session, ids: Sequence[int]) -> list[Row[Any]]:
    """Return all that an export tells of these predictions but for their labels, by id."""
    columns = (
        Prediction.id,
        Prediction.prediction,
        Prediction.confidence,
        Prediction.model_version,
        Prediction.created_at,
        Prediction.notes,
        # As text: whether it is what it should be is seen row by row.
        cast(Drawing.scores, Text).label("scores"),
        Drawing.pixels,
    )
    statement = select(*columns).outerjoin(Drawing, Drawing.prediction_id == Prediction.id)
    return list(session.execute(statement.where(Prediction.id.in_(ids)).order_by(Prediction.id)))
