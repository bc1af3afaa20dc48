"""Fill a database with generated predictions, drawings and labels."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from app.models import Drawing, Label, Prediction

INSERT_BATCH_SIZE = 20_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LASTED = timedelta(days=300)
LABELLED = 0.1
OVERRIDDEN = 0.2
SHAPES = 500
"""Number of different drawings, which repeat; only a query on duplicates would differ."""


def fill(database_url: str, count: int, seed: int = 1) -> None:
    """Write `count` predictions with drawings; a tenth are labelled, and a fifth of these have two labels.

    The last tenth has another model version, and one in a hundred has notes. Confidence is distributed as a
    classifier's: one in a hundred is below 0.91, one in ten thousand below 0.82.
    """
    url = sa.make_url(database_url)
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
        for chunk in _chunks(count, np.random.default_rng(seed)):
            for table, rows in chunk.items():
                if rows:
                    _write(connection, table, rows)
        if engine.dialect.name == "postgresql":
            # Explicit ids do not advance the sequence, and there are no statistics before the first vacuum.
            for name in ("predictions", "labels"):
                connection.exec_driver_sql(f"SELECT setval('{name}_id_seq', (SELECT max(id) FROM {name}))")
            connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def time_of(prediction_id: int, count: int) -> datetime:
    """Return the time of a prediction; they are spread evenly over three hundred days."""
    return BEGIN + LASTED * (prediction_id / count)


def _chunks(count: int, rng: np.random.Generator) -> Iterator[dict[type, list[dict[str, Any]]]]:
    shapes = [image.tobytes() for image in rng.integers(0, 256, (SHAPES, 784), np.uint8)]
    next_label = 1
    for first in range(1, count + 1, INSERT_BATCH_SIZE):
        ids = range(first, min(first + INSERT_BATCH_SIZE, count + 1))
        predictions, drawings, labels = [], [], []
        unsure = rng.exponential(0.0195, len(ids)).clip(max=0.9)
        digits, chance = rng.integers(0, 10, len(ids)).tolist(), rng.random((len(ids), 3))
        for row, (id_, digit) in enumerate(zip(ids, digits, strict=True)):
            confidence = float(np.round(1 - unsure[row], 6))
            predictions.append(
                {
                    "id": id_,
                    "prediction": str(digit),
                    "confidence": confidence,
                    "model_version": "v2" if id_ > 0.9 * count else "v1",
                    "created_at": time_of(id_, count),
                    "notes": f"remark {id_}" if chance[row, 0] < 0.01 else None,
                    "request_id": f"{id_:032x}",
                    "client": "built-in",
                }
            )
            scores = [confidence if d == digit else round((1 - confidence) / 9, 6) for d in range(10)]
            margin = confidence - scores[digit - 1]
            pixels = shapes[id_ % SHAPES]
            drawings.append({"prediction_id": id_, "pixels": pixels, "scores": scores, "margin": margin})
            if chance[row, 1] < LABELLED:
                for label in [str((digit + 1) % 10), str(digit)][0 if chance[row, 2] < OVERRIDDEN else 1 :]:
                    label_row = {"id": next_label, "prediction_id": id_, "label": label, "source": "anna"}
                    labels.append({**label_row, "created_at": time_of(id_, count)})
                    next_label += 1
        yield {Prediction: predictions, Drawing: drawings, Label: labels}


def _write(connection: sa.Connection, model: type, rows: list[dict[str, Any]]) -> None:
    table = sa.inspect(model).local_table
    if connection.dialect.name == "sqlite":
        connection.execute(sa.insert(table), rows)
        return
    # COPY takes a tenth of the time.
    columns = list(rows[0])
    binds = [table.c[name].type.bind_processor(connection.dialect) or (lambda value: value) for name in columns]
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([bind(row[name]) for name, bind in zip(columns, binds, strict=True)])
