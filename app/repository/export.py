from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, null, select
from sqlalchemy.orm import Session

from app.models import Drawing, Label, Prediction
from app.repository.columns import PREDICTION_COLUMNS, SCORES
from app.repository.labels import current_label, is_current
from app.repository.results import matching
from app.schemas.results import ResultFilters

SelectedRow = Row[tuple[int, str, float | None, str, str | None]]
"""Id, prediction, probability of no digit, model version and label."""

_SELECTED: Final = (Prediction.id, Prediction.prediction, Prediction.not_a_digit, Prediction.model_version)


def iterate_selected(
    session: Session, filters: ResultFilters, *, labelled_only: bool, size: int
) -> Iterator[Sequence[SelectedRow]]:
    statement = _labelled(filters) if labelled_only else _all(filters)
    with session.execute(statement, execution_options={"yield_per": size}) as found:
        yield from found.partitions()


def _all(filters: ResultFilters) -> Select[Any]:
    statement = select(*_SELECTED, current_label().label("label"))
    return statement.where(*matching(filters, "id")).order_by(Prediction.id)


def _labelled(filters: ResultFilters) -> Select[Any]:
    # Labels are few compared with predictions.
    rest = filters.model_copy(update={"label": None, "labelled": None})
    statement = select(*_SELECTED, Label.label).join(Label, Label.prediction_id == Prediction.id)
    statement = statement.where(is_current(), *matching(rest, "id"))
    if filters.label is not None:
        statement = statement.where(Label.label == filters.label)
    return statement.order_by(Label.prediction_id)


def list_rows(session: Session, ids: Sequence[int], *, with_pixels: bool) -> list[Row[Any]]:
    statement = select(
        *PREDICTION_COLUMNS, SCORES, Drawing.pixels if with_pixels else null().label("pixels")
    ).outerjoin(Drawing, Drawing.prediction_id == Prediction.id)
    return list(session.execute(statement.where(Prediction.id.in_(ids)).order_by(Prediction.id)))
