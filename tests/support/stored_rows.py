"""Rows of a large table for the tests, written with SQL."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from app.models import Drawing, Label, Prediction, Review
from tests.support.service import connected

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


class Row(NamedTuple):
    """A prediction with its labels; the last one counts."""

    id: int
    prediction: str
    confidence: float
    model_version: str
    created_at: datetime | None
    notes: str | None
    labels: tuple[str, ...]
    sampled: bool
    not_a_digit: float | None

    @property
    def label(self) -> str | None:
        """The label that counts."""
        return self.labels[-1] if self.labels else None


@cache
def random_rows(count: int, seed: int = 1) -> tuple[Row, ...]:
    """Rows with every peculiarity: no time, times out of order, two labels, no digit, an older model."""
    rng, other_rng = Random(seed), Random(seed)
    rows = []
    for id_ in range(1, count + 1):
        labels = rng.choices(("0", "1", "2", "7", "none"), k=rng.choices((0, 1, 2), (50, 30, 20))[0])
        rows.append(
            Row(
                id=id_,
                prediction=rng.choice("0127"),
                confidence=round(rng.betavariate(8, 1), 6),
                model_version="v1" if rng.random() < 0.8 else "v2",
                created_at=None if rng.random() < 0.03 else BEGIN + timedelta(minutes=rng.randrange(count * 30)),
                notes=f"Über {id_ % 7} % _done_" if rng.random() < 0.2 else None,
                labels=tuple(labels),
                sampled=rng.random() < 0.3,
                not_a_digit=None if other_rng.random() < 0.2 else round(other_rng.random() ** 2, 6),
            )
        )
    return tuple(rows)


def store(database_url: str, rows: Sequence[Row], *, drawings: bool = False) -> None:
    """Write the rows and their labels, with drawings on request."""
    given = [(turn, row.id, label) for row in rows for turn, label in enumerate(row.labels)]
    with connected(database_url) as connection:
        values = [{name: getattr(row, name) for name in (*Row._fields[:6], "not_a_digit")} for row in rows]
        connection.execute(sa.insert(Prediction), values)
        labels = [{"prediction_id": id_, "label": label, "source": "anna"} for _, id_, label in sorted(given)]
        if labels:
            connection.execute(sa.insert(Label), labels)
        sampled = [{"prediction_id": row.id, "sampled": True} for row in rows if row.sampled]
        if sampled:
            connection.execute(sa.insert(Review), sampled)
        if drawings:
            connection.execute(sa.insert(Drawing), [drawing_of(row.id) for row in rows])


def drawing_of(prediction_id: int) -> dict[str, Any]:
    """A drawing of noise, different for each id."""
    rng = np.random.default_rng(prediction_id)
    scores = rng.dirichlet(np.ones(10)).tolist()
    second, first = sorted(scores)[-2:]
    pixels = rng.integers(0, 256, 784, np.uint8).tobytes()
    return {"prediction_id": prediction_id, "pixels": pixels, "scores": scores, "margin": first - second}
