"""Compare the cost of storing drawings with indexes of all confidences and margins, and of doubtful drawings only.

`python -m benchmarks.indexes`; see benchmarks/README.md.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.classifier import classify_batch
from app.repository.classify import NewPrediction, add_predictions
from benchmarks.digits import digits
from benchmarks.generated_rows import fill
from benchmarks.machine import description
from benchmarks.report import table, with_range
from benchmarks.servers import PROJECT

LAST_WITH_FULL_INDEXES = "0005"
HEADING = ("indexes", "CPU us/drawing", "ratio", "pages/drawing")


@dataclass
class Store:
    """A database file, and the measurements of each round."""

    name: str
    path: Path
    microseconds: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)

    def write(self, batches: list[list[NewPrediction]]) -> None:
        """Store each batch in one synced transaction, and checkpoint at the end."""
        engine = sa.create_engine(f"sqlite:///{self.path}", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", "foreign_keys=ON"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            connection.commit()
            began = time.process_time()
            for batch in batches:
                with Session(connection) as session, session.begin():
                    add_predictions(session, batch)
            _, pages, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(FULL)").one()
            used = time.process_time() - began
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        drawings = sum(map(len, batches))
        self.microseconds.append(used * 1e6 / drawings)
        self.pages.append(pages / drawings)


def prepare(path: Path, rows: int) -> None:
    """Make a database with this many rows and the indexes of this release."""
    alembic(path, "upgrade", "head")
    fill(f"sqlite:///{path}", rows)


def alembic(path: Path, *arguments: str) -> None:
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{path}"}
    subprocess.run([sys.executable, "-m", "alembic", *arguments], cwd=PROJECT, env=environment, check=True)


def answers() -> list[NewPrediction]:
    """Classify the test digits."""
    images = digits().test_images
    return [
        NewPrediction(
            prediction=answer["prediction"],
            confidence=answer["confidence"],
            not_a_digit=answer["not_a_digit"],
            model_version="v1",
            request_id=f"{number:032x}",
            client="built-in",
            pixels=images[number].tobytes(),
            scores=answer["scores"],
        )
        for number, answer in enumerate(classify_batch(images))
    ]


def rows(stores: list[Store]) -> Iterator[list[str]]:
    """Yield a row for each store, with ratios to the first one in the same rounds."""
    for store in stores:
        ratios = [mine / first for mine, first in zip(store.microseconds, stores[0].microseconds, strict=True)]
        yield [store.name, with_range(store.microseconds, 1), with_range(ratios, 2), with_range(store.pages, 2)]


def main() -> None:
    """Write the same drawings to both databases, in turns, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.indexes", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="rows in each database before the first round")
    parser.add_argument("--batch", type=int, default=32, help="drawings in a transaction")
    parser.add_argument("--batches", type=int, default=100, help="transactions in a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="folder for the databases (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        stores = [Store("of all rows", Path(folder, "full.db")), Store("of doubtful rows", Path(folder, "partial.db"))]
        prepare(stores[1].path, options.rows)
        shutil.copy(stores[1].path, stores[0].path)
        alembic(stores[0].path, "downgrade", LAST_WITH_FULL_INDEXES)
        known, random = answers(), Random(1)
        for number in range(options.rounds):
            batches = [random.sample(known, options.batch) for _ in range(options.batches)]
            for store in stores if number % 2 else reversed(stores):
                store.write(batches)
        print(f"{options.rows:,} rows, {options.batch} drawings in a transaction; {description(Path(folder))}\n")
        print(table(HEADING, rows(stores)))


if __name__ == "__main__":
    main()
