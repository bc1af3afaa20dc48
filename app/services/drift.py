"""Compare a window of drawings and answers with a reference."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.analysis.drift import Observations, Signal, compare
from app.analysis.drift import Thresholds as Limits
from app.config import get_settings
from app.drawings.arrays import images_of
from app.drawings.ink_statistics import INK, ink_statistics
from app.drawings.shape import by_digit
from app.repository.drift import list_drawings
from app.schemas.drift import (
    DRAWINGS_NEEDED,
    MAX_REFERENCE,
    MAX_WINDOW,
    Drift,
    DriftHistogram,
    DriftQuery,
    DriftSignal,
    Thresholds,
    Window,
)
from app.schemas.results import ResultFilters
from app.services.errors import InvalidInput

DEFAULT_WINDOW: Final = 1000
DEFAULT_REFERENCE: Final = 10_000


def drift(session: Session, query: DriftQuery) -> Drift:
    """Compare a window of drawings and answers with a reference; raise InvalidInput for windows that make no sense."""
    times = (query.since, query.until, query.reference_since, query.reference_until)
    by_time = any(time is not None for time in times)
    window, reference = (_by_time if by_time else _by_number)(session, query)
    settings = get_settings()
    limits = Limits(settings.drift_p_value, settings.drift_psi)
    enough = min(window.size, reference.size) >= DRAWINGS_NEEDED
    signals = compare(window.observations, reference.observations, limits) if enough else []
    drifted = any(signal.drifted for signal in signals)
    return Drift(
        status="drift" if drifted else "no drift" if enough else "not enough data",
        needed=DRAWINGS_NEEDED,
        window=window.described(),
        reference=reference.described(),
        thresholds=Thresholds(p=limits.p, psi=limits.psi),
        signals=[_signal(signal) for signal in signals],
    )


class _Drawings(NamedTuple):
    """What was read of a window: what is known of its drawings, the id of the last and the times they came."""

    observations: Observations
    last_id: int
    times: list[datetime]

    @property
    def size(self) -> int:
        """How many drawings there are."""
        return len(self.observations.digits)

    def described(self) -> Window:
        """Return how many there are and from when to when they came."""
        return Window(count=self.size, since=min(self.times, default=None), until=max(self.times, default=None))


def _by_number(session: Session, query: DriftQuery) -> tuple[_Drawings, _Drawings]:
    filters = ResultFilters(model_version=query.model_version)
    window = _read(list_drawings(session, filters, query.last or DEFAULT_WINDOW))
    before = list_drawings(session, filters, query.reference_last or DEFAULT_REFERENCE, before=window.last_id)
    return window, _read(before)


def _by_time(session: Session, query: DriftQuery) -> tuple[_Drawings, _Drawings]:
    if query.last is not None or query.reference_last is not None:
        raise InvalidInput(
            "last" if query.last is not None else "reference_last", "counts drawings; leave the times away"
        )
    window_first = _in_order(query.until, query.reference_since)
    reference_until = query.reference_until or (None if window_first else query.since)
    if not window_first and not _in_order(reference_until, query.since):
        raise InvalidInput("reference_until", "the reference must not overlap the window; say where one of them ends")
    window = ResultFilters(model_version=query.model_version, since=query.since, until=query.until)
    reference = ResultFilters(model_version=query.model_version, since=query.reference_since, until=reference_until)
    return _read(list_drawings(session, window, MAX_WINDOW)), _read(list_drawings(session, reference, MAX_REFERENCE))


def _in_order(until: datetime | None, since: datetime | None) -> bool:
    """Tell whether what ends at the one is over when what begins at the other begins."""
    return until is not None and since is not None and until <= since


def _read(pieces: Iterable[Sequence[Row[Any]]]) -> _Drawings:
    """Measure the drawings piece by piece, so that no more than one piece of pixels is held."""
    observed = [Observations(np.empty(0, np.int64), np.empty(0), np.empty((0, len(INK)), np.float32))]
    last_id, times = 0, []
    for rows in filter(None, pieces):
        observed.append(_observe(rows))
        last_id = rows[-1].id
        times += [row.created_at for row in rows if row.created_at is not None]
    return _Drawings(Observations(*map(np.concatenate, zip(*observed, strict=True))), last_id, times)


def _observe(rows: Sequence[Row[Any]]) -> Observations:
    return Observations(
        np.array([int(row.prediction) for row in rows]),
        np.array([row.confidence for row in rows], np.float64),
        ink_statistics(images_of([row.pixels for row in rows])),
    )


def _signal(signal: Signal) -> DriftSignal:
    one = signal.comparison
    return DriftSignal(
        name=one.name,
        test=one.test,
        statistic=one.statistic,
        p=one.p,
        adjusted_p=signal.adjusted_p,
        psi=one.psi,
        psi_threshold=signal.psi_threshold,
        drifted=signal.drifted,
        window=_means(one.window),
        reference=_means(one.reference),
        histogram=DriftHistogram(**one.histogram._asdict()),
    )


def _means(values: float | list[float]) -> float | dict[str, float]:
    return values if isinstance(values, float) else by_digit(values)
