from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.analysis.drift import Observations, compare
from app.config import get_settings
from app.drawings.arrays import images_of
from app.drawings.ink_statistics import INK, ink_statistics
from app.repository.drift import list_drawings
from app.schemas.drift import DRAWINGS_NEEDED, MAX_REFERENCE, MAX_WINDOW, Drift, DriftQuery, Thresholds, Window
from app.schemas.results import ResultFilters
from app.services.errors import InvalidInput

DEFAULT_WINDOW: Final = 1000
DEFAULT_REFERENCE: Final = 10_000


def get_drift(session: Session, query: DriftQuery) -> Drift:
    """Compare a window with a reference; raise InvalidInput if they contradict each other."""
    times = (query.since, query.until, query.reference_since, query.reference_until)
    by_time = any(time is not None for time in times)
    window, reference = (_by_time if by_time else _by_number)(session, query)
    settings = get_settings()
    thresholds = Thresholds(p=settings.drift_p_value, psi=settings.drift_psi)
    enough = min(window.size, reference.size) >= DRAWINGS_NEEDED
    signals = compare(window.observations, reference.observations, thresholds) if enough else []
    drifted = any(signal.drifted for signal in signals)
    return Drift(
        status="drift" if drifted else "no drift" if enough else "not enough data",
        needed=DRAWINGS_NEEDED,
        window=window.as_window(),
        reference=reference.as_window(),
        thresholds=thresholds,
        signals=signals,
    )


class _Drawings(NamedTuple):
    observations: Observations
    last_id: int
    times: list[datetime]

    @property
    def size(self) -> int:
        return len(self.observations.digits)

    def as_window(self) -> Window:
        return Window(count=self.size, since=min(self.times, default=None), until=max(self.times, default=None))


def _by_number(session: Session, query: DriftQuery) -> tuple[_Drawings, _Drawings]:
    filters = ResultFilters(model_version=query.model_version)
    window = _read(list_drawings(session, filters, query.last or DEFAULT_WINDOW))
    before = list_drawings(session, filters, query.reference_last or DEFAULT_REFERENCE, before=window.last_id)
    return window, _read(before)


def _by_time(session: Session, query: DriftQuery) -> tuple[_Drawings, _Drawings]:
    if query.last is not None or query.reference_last is not None:
        raise InvalidInput(
            "last" if query.last is not None else "reference_last", "cannot be combined with since or until"
        )
    window_first = _ends_before(query.until, query.reference_since)
    reference_until = query.reference_until or (None if window_first else query.since)
    if not window_first and not _ends_before(reference_until, query.since):
        raise InvalidInput("reference_until", "the reference must not overlap the window; give the end of one of them")
    if _ends_before(query.until, query.since):
        raise InvalidInput("since", "must be before until")
    if _ends_before(reference_until, query.reference_since):
        raise InvalidInput("reference_since", "must be before the end of the reference")
    window = ResultFilters(model_version=query.model_version, since=query.since, until=query.until)
    reference = ResultFilters(model_version=query.model_version, since=query.reference_since, until=reference_until)
    return _read(list_drawings(session, window, MAX_WINDOW)), _read(list_drawings(session, reference, MAX_REFERENCE))


def _ends_before(until: datetime | None, since: datetime | None) -> bool:
    return until is not None and since is not None and until <= since


def _read(batches: Iterable[Sequence[Row[Any]]]) -> _Drawings:
    """Measure the drawings with one batch of pixels in memory."""
    observed = [Observations(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty((0, len(INK)), np.float32))]
    last_id, times = 0, []
    for rows in filter(None, batches):
        observed.append(_observe(rows))
        last_id = rows[-1].id
        times += [row.created_at for row in rows if row.created_at is not None]
    return _Drawings(Observations(*map(np.concatenate, zip(*observed, strict=True))), last_id, times)


def _observe(rows: Sequence[Row[Any]]) -> Observations:
    return Observations(
        np.array([int(row.prediction) for row in rows]),
        np.array([row.confidence for row in rows], np.float64),
        # None becomes NaN.
        np.array([row.not_a_digit for row in rows], np.float64),
        ink_statistics(images_of([row.pixels for row in rows])),
    )
