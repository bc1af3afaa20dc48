from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.models import CalibrationCount
from app.repository.computed_counts import label_rows, summed
from app.repository.counts import are_complete, view_of
from app.repository.results import matching
from app.schemas.results import ResultFilters


def count_labelled(session: Session, filters: ResultFilters, *, sampled: bool) -> list[Row[Any]]:
    """Return millionths of confidence, correctness and size, with `sampled` of random samples only."""
    if filters.since is None and filters.until is None and are_complete(session):
        columns = view_of(CalibrationCount).c
        rows = select(*columns)
        if filters.model_version is not None:
            rows = rows.where(columns.model_version == filters.model_version)
    else:
        rows = label_rows().where(*matching(filters, "id"))
    if sampled:
        rows = rows.where(rows.selected_columns["sampled"])
    return list(session.execute(summed(rows, ("millionths", "correct"), ("size",))))
