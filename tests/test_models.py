"""Tables: constraints, times, and `SessionLocal` as the course uses it."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.config import PROJECT_FOLDER
from app.database import Database, get_database
from app.database.errors import DatabaseError
from app.models import Drawing, Prediction, SessionLocal
from tests.support.predictions import a_prediction, add_prediction, count_predictions


def test_drawing_is_stored_with_its_prediction_and_deleted_with_it(database: Database) -> None:
    pixels, scores = bytes(range(256)) * 3 + bytes(16), [0.1, 1e-7, 0.30000000000000004] + [0.0] * 7

    def add(session: Session) -> int:
        added = a_prediction(drawing=Drawing(pixels=pixels, scores=scores))
        session.add(added)
        session.flush()
        return added.id

    def load(session: Session) -> tuple[bytes, list[float]]:
        drawing = session.get_one(Drawing, 1)
        return drawing.pixels, drawing.scores

    assert asyncio.run(database.write(add)) == 1
    assert asyncio.run(database.read(load)) == (pixels, scores)
    asyncio.run(database.write(lambda session: session.delete(session.get_one(Prediction, 1))))
    assert asyncio.run(database.read(lambda session: session.get(Drawing, 1))) is None


@pytest.mark.parametrize("pixels", [b"", bytes(97), bytes(785)])
def test_drawing_of_a_size_that_is_neither_packed_nor_whole_is_refused(database: Database, pixels: bytes) -> None:
    def add(session: Session) -> None:
        session.add(a_prediction(drawing=Drawing(pixels=pixels, scores=[])))

    with pytest.raises(DatabaseError, match="ck_drawings_pixels"):
        asyncio.run(database.write(add))
    assert asyncio.run(database.read(count_predictions)) == 0


def test_id_of_a_deleted_prediction_is_not_reused(database: Database) -> None:
    asyncio.run(database.write(add_prediction))
    asyncio.run(database.write(add_prediction))
    asyncio.run(database.write(lambda session: session.delete(session.get_one(Prediction, 2))))
    assert asyncio.run(database.write(add_prediction)) == 3


def test_times_are_converted_to_utc(database: Database) -> None:
    moment = datetime(2026, 3, 1, 14, 30, 0, 250000, timezone(timedelta(hours=2)))

    def add(session: Session) -> None:
        session.add(a_prediction(created_at=moment))

    def load(session: Session) -> datetime | None:
        return session.get_one(Prediction, 1).created_at

    asyncio.run(database.write(add))
    loaded = asyncio.run(database.read(load))
    assert loaded == moment
    assert loaded.tzinfo is UTC


def test_time_without_a_zone_is_refused(database: Database) -> None:
    def add(session: Session) -> None:
        session.add(a_prediction(created_at=datetime(2026, 3, 1)))  # noqa: DTZ001

    with pytest.raises(DatabaseError) as refused:
        asyncio.run(database.write(add))
    assert "a time needs a time zone" in str(refused.value.__cause__)


def test_sqlite_stores_times_as_v0_5_did(sqlite_database: Database) -> None:
    def add(session: Session) -> None:
        session.add(a_prediction(created_at=datetime(2026, 3, 1, 12, 30, 0, 250000, UTC)))

    asyncio.run(sqlite_database.write(add))
    query = sa.text("SELECT created_at FROM predictions")
    assert asyncio.run(sqlite_database.read(lambda session: session.scalar(query))) == "2026-03-01 12:30:00.250000"


def test_row_inserted_by_hand_gets_a_time_and_null_times_are_readable(database: Database) -> None:
    def insert(session: Session) -> None:
        start = "INSERT INTO predictions (prediction, confidence, model_version"
        session.execute(sa.text(f"{start}) VALUES ('7', 0.94, 'v1')"))
        session.execute(sa.text(f"{start}, created_at) VALUES ('7', 0.94, 'v1', NULL)"))

    def times(session: Session) -> list[datetime | None]:
        return list(session.scalars(sa.select(Prediction.created_at).order_by(Prediction.id)))

    asyncio.run(database.write(insert))
    by_hand, old = asyncio.run(database.read(times))
    assert old is None
    assert by_hand is not None
    assert abs(datetime.now(UTC) - by_hand) < timedelta(minutes=5)


def test_session_local_uses_the_configured_database(configured_database_url: str) -> None:
    with SessionLocal() as session:
        session.add(a_prediction(notes="by hand"))
        session.commit()
        assert session.query(Prediction).one().notes == "by hand"
    assert asyncio.run(get_database().read(count_predictions)) == 1


def test_import_of_the_models_needs_neither_settings_nor_database(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from app.models import Base, Prediction, SessionLocal; SessionLocal().close()"],
        env={"PYTHONPATH": str(PROJECT_FOLDER), "DATABASE_URL": "nonsense", "RATE_LIMIT": "nonsense"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
