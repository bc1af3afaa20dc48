"""Fill a database with generated predictions, drawings, labels and reviews."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from app.database import Database
from app.models import Drawing, Label, Prediction, Review, UncountedPredictions
from app.services.counts import complete_counts

INSERT_BATCH_SIZE = 20_000
BEGIN = datetime(2025, 11, 1, tzinfo=UTC)
LASTED = timedelta(days=365)
WITH_NOTES = 0.01
LABELLED = 0.097
OVERRIDDEN = 0.2
WRONG = 0.02
SAMPLED = 0.001
SHAPES = 500
"""Number of different drawings, which repeat; only a query on duplicates would differ."""

# The columns of some rows of a table.
Columns = dict[str, list[Any]]


def fill(database_url: str, count: int, seed: int = 1) -> None:
    """Write `count` predictions with drawings; a tenth are labelled, and a fifth of these have two labels.

    The last tenth has another model version, and one in a hundred has notes. Confidence is distributed as a
    classifier's: nine of ten are above 0.99, one in a hundred is below 0.9.
    """
    url = sa.make_url(database_url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
        # As after an upgrade: counted in steps afterwards, not by the triggers.
        connection.execute(sa.insert(UncountedPredictions).values(first=1, last=count))
        for chunk in _chunks(count, np.random.default_rng(seed)):
            for table, columns in chunk.items():
                _write(connection, table, columns)
        if engine.dialect.name == "postgresql":
            # Explicit ids do not advance the sequence.
            for name in ("predictions", "labels"):
                connection.exec_driver_sql(f"SELECT setval('{name}_id_seq', (SELECT max(id) FROM {name}))")
    _count(url.render_as_string(hide_password=False))
    if engine.dialect.name == "postgresql":
        # There are no statistics before the first vacuum.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def time_of(prediction_id: int, count: int) -> datetime:
    """Return the time of a prediction; they are spread evenly over a year."""
    return BEGIN + LASTED * (prediction_id / count)


def _count(database_url: str) -> None:
    database = Database(database_url, beside_service=True)
    try:
        complete_counts(database, lambda *_: None)
    finally:
        database.close()


def _chunks(count: int, rng: np.random.Generator) -> Iterator[dict[type, Columns]]:
    shapes = [image.tobytes() for image in rng.integers(0, 256, (SHAPES, 784), np.uint8)]
    next_label = 1
    for first in range(1, count + 1, INSERT_BATCH_SIZE):
        ids = np.arange(first, min(first + INSERT_BATCH_SIZE, count + 1))
        digits, unsure = rng.integers(0, 10, len(ids)), rng.lognormal(np.log(0.0005), 2.3, len(ids)).clip(max=0.85)
        labels = _labels(ids, digits, next_label, rng)
        next_label += len(labels["id"])
        labels["created_at"] = [time_of(id_, count) for id_ in labels["prediction_id"]]
        yield {
            Prediction: _predictions(ids, digits, unsure, count, rng),
            Drawing: _drawings(ids, digits, unsure, shapes),
            Label: labels,
            Review: _reviews(ids[rng.random(len(ids)) < SAMPLED], count),
        }


def _predictions(
    ids: NDArray[Any], digits: NDArray[Any], unsure: NDArray[Any], count: int, rng: np.random.Generator
) -> Columns:
    with_notes = (rng.random(len(ids)) < WITH_NOTES).tolist()
    return {
        "id": ids.tolist(),
        "prediction": list(map(str, digits.tolist())),
        "confidence": np.round(1 - unsure, 6).tolist(),
        "not_a_digit": np.round(rng.lognormal(np.log(0.0005), 2.3, len(ids)).clip(max=1), 6).tolist(),
        "model_version": ["v2" if id_ > 0.9 * count else "v1" for id_ in ids.tolist()],
        "created_at": [time_of(id_, count) for id_ in ids.tolist()],
        "notes": [f"remark {id_}" if noted else None for id_, noted in zip(ids.tolist(), with_notes, strict=True)],
        "request_id": [f"{id_:032x}" for id_ in ids.tolist()],
        "client": ["built-in"] * len(ids),
    }


def _drawings(ids: NDArray[Any], digits: NDArray[Any], unsure: NDArray[Any], shapes: list[bytes]) -> Columns:
    """The second score is four fifths of what the first leaves."""
    rows = np.arange(len(ids))
    scores = np.repeat(unsure[:, None] / 40, 10, axis=1)
    scores[rows, digits - 1] = unsure * 0.8
    scores[rows, digits] = 1 - unsure
    return {
        "prediction_id": ids.tolist(),
        "pixels": [shapes[id_ % SHAPES] for id_ in ids.tolist()],
        "scores": np.round(scores, 6).tolist(),
        "margin": np.round(1 - 1.8 * unsure, 6).clip(min=0).tolist(),
    }


def _labels(ids: NDArray[Any], digits: NDArray[Any], next_id: int, rng: np.random.Generator) -> Columns:
    labelled = rng.random(len(ids)) < LABELLED
    right = np.where(rng.random(len(ids)) < WRONG, (digits + 1) % 10, digits)
    given = [
        (id_, label)
        for id_, last, overridden in zip(
            ids[labelled].tolist(), right[labelled].tolist(), rng.random(labelled.sum()) < OVERRIDDEN, strict=True
        )
        for label in ([(last + 1) % 10, last] if overridden else [last])
    ]
    return {
        "id": list(range(next_id, next_id + len(given))),
        "prediction_id": [id_ for id_, _ in given],
        "label": [str(label) for _, label in given],
        "source": ["anna"] * len(given),
    }


def _reviews(ids: NDArray[Any], count: int) -> Columns:
    """Half of the random samples have been offered."""
    offered = [time_of(id_, count) if id_ % 2 else None for id_ in ids.tolist()]
    reviewers = ["anna" if time else None for time in offered]
    sampled = [True] * len(ids)
    return {"prediction_id": ids.tolist(), "sampled": sampled, "reviewer": reviewers, "offered_at": offered}


def _write(connection: sa.Connection, model: type, columns: Columns) -> None:
    """Write rows without SQLAlchemy's work on each of them."""
    table = sa.inspect(model).local_table
    converted = []
    for name, values in columns.items():
        convert = table.c[name].type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        converted.append(values if convert is None else list(map(convert, values)))
    rows, names = zip(*converted, strict=True), ", ".join(columns)
    cursor = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        cursor.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)
        return
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
