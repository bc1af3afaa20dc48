"""Sessions and transactions: what is stored, what is refused, and what the errors say."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection

from app.config import PROJECT_FOLDER, ConfigurationError
from app.db import (
    MAX_WAITING,
    Database,
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseUnavailable,
    get_database,
)
from app.models import Drawing, Prediction, SessionLocal


def a_prediction(**overrides: Any) -> Prediction:
    return Prediction(**{"prediction": "7", "confidence": 0.94, "model_version": "v1", **overrides})


def add_prediction(session: Session) -> int:
    added = a_prediction()
    session.add(added)
    session.flush()
    return added.id


def count_predictions(session: Session) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(Prediction)) or 0


def pragma(session: Session, name: str) -> object:
    return session.scalar(sa.text(f"PRAGMA {name}"))


def path_of(database: Database) -> Path:
    return Path(database.engine.url.database or "")


# Transactions


def test_write_stores_the_row_and_returns_what_the_work_returned(database: Database) -> None:
    assert asyncio.run(database.write(add_prediction)) == 1
    assert asyncio.run(database.read(count_predictions)) == 1


def test_exception_of_the_work_rolls_back_and_passes_through(database: Database) -> None:
    def fail(session: Session) -> None:
        add_prediction(session)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(database.write(fail))
    assert asyncio.run(database.read(count_predictions)) == 0
    assert asyncio.run(database.write(add_prediction)) >= 1


def test_savepoint_that_was_released_is_rolled_back_with_the_rest(database: Database) -> None:
    def fail(session: Session) -> None:
        with session.begin_nested():
            add_prediction(session)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(database.write(fail))
    assert asyncio.run(database.read(count_predictions)) == 0


def test_rows_stay_readable_after_the_commit(database: Database) -> None:
    def add(session: Session) -> Prediction:
        added = a_prediction()
        session.add(added)
        return added

    stored = asyncio.run(database.write(add))
    assert (stored.id, stored.prediction, stored.confidence) == (1, "7", 0.94)
    assert stored.created_at is not None


def test_read_stores_nothing(database: Database) -> None:
    # SQLite refuses the row, PostgreSQL takes it back.
    with contextlib.suppress(DatabaseError):
        asyncio.run(database.read(add_prediction))
    assert asyncio.run(database.read(count_predictions)) == 0


def test_reader_does_not_wait_behind_a_writer(database: Database) -> None:
    begun, release = threading.Event(), threading.Event()

    def write_slowly(session: Session) -> None:
        add_prediction(session)
        begun.set()
        assert release.wait(30)

    async def read_meanwhile() -> tuple[int, int]:
        writing = asyncio.create_task(database.write(write_slowly))
        await asyncio.to_thread(begun.wait, 30)
        try:
            before = await database.read(count_predictions)
        finally:
            release.set()
        await writing
        return before, await database.read(count_predictions)

    assert asyncio.run(read_meanwhile()) == (0, 1)


def test_many_writers_that_read_first_never_meet_a_lock(database_url: str) -> None:
    def count_and_add(session: Session) -> int:
        count_predictions(session)
        return add_prediction(session)

    ids: list[int] = []

    def one_process() -> None:
        database = Database(database_url.replace("postgresql://", "postgresql+psycopg://"))

        async def client() -> None:
            for _ in range(8):
                ids.append(await database.write(count_and_add))

        async def clients() -> None:
            await asyncio.gather(*(client() for _ in range(32)))

        try:
            asyncio.run(clients())
        finally:
            database.close()

    # Two of them, since a second process shares the file but not the queue in front of it.
    threads = [threading.Thread(target=one_process) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == len(set(ids)) == 2 * 32 * 8


def test_writes_beyond_the_limit_are_refused_at_once_and_the_others_are_stored(database: Database) -> None:
    release = threading.Event()

    def wait(_session: Session) -> bool:
        return release.wait(60)

    async def crowd() -> list[bool]:
        waiting = [asyncio.create_task(database.write(wait)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        try:
            with pytest.raises(DatabaseBusy, match=f"{MAX_WAITING} requests wait"):
                await database.write(wait)
            assert await database.read(count_predictions) == 0
        finally:
            release.set()
        results = await asyncio.gather(*waiting)
        assert await database.write(add_prediction) == 1
        return results

    assert asyncio.run(crowd()) == [True] * MAX_WAITING


def test_close_finishes_what_was_begun(database: Database) -> None:
    begun = threading.Event()

    def add_slowly(session: Session) -> int:
        begun.set()
        return add_prediction(session)

    async def close_meanwhile() -> int:
        writing = asyncio.create_task(database.write(add_slowly))
        await asyncio.to_thread(begun.wait, 30)
        database.close()
        return await writing

    assert asyncio.run(close_meanwhile()) == 1
    assert asyncio.run(database.read(count_predictions)) == 1


# SQLite's own promises


def test_every_connection_has_the_settings_the_promise_needs(sqlite_database: Database) -> None:
    def settings(session: Session) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only", "wal_autocheckpoint")
        return {name: pragma(session, name) for name in names}

    common = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    written = asyncio.run(sqlite_database.write(settings))
    assert written == {**common, "query_only": 0, "wal_autocheckpoint": 1000}
    read = asyncio.run(sqlite_database.read(settings))
    assert read == {**common, "query_only": 1, "wal_autocheckpoint": 0}


def test_close_leaves_one_file_that_holds_every_row(sqlite_database: Database) -> None:
    path = path_of(sqlite_database)
    asyncio.run(sqlite_database.write(add_prediction))
    asyncio.run(sqlite_database.read(count_predictions))
    assert path.with_name(f"{path.name}-wal").exists()
    sqlite_database.close()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert asyncio.run(sqlite_database.read(count_predictions)) == 1


def test_missing_file_is_not_replaced_by_an_empty_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'pixelwise.db'}")
    with pytest.raises(DatabaseUnavailable, match=r"there is no database at .*run: alembic upgrade head"):
        database.open()
    assert list(tmp_path.iterdir()) == []


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def delete_with_its_log(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink()


def replace_by_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_name("restored.db"))
    path.with_name("restored.db").replace(path)


@pytest.mark.parametrize("lose", [move_away, delete_with_its_log, replace_by_a_copy])
def test_write_to_a_file_nobody_will_find_again_is_refused(
    sqlite_database: Database, lose: Callable[[Path], None]
) -> None:
    asyncio.run(sqlite_database.write(add_prediction))
    lose(path_of(sqlite_database))
    with pytest.raises(DatabaseUnavailable, match="moved, deleted or replaced"):
        asyncio.run(sqlite_database.write(add_prediction))
    assert "moved, deleted or replaced" in (asyncio.run(sqlite_database.write_problem()) or "")


def test_file_that_is_moved_back_is_used_again(sqlite_database: Database) -> None:
    path = path_of(sqlite_database)
    asyncio.run(sqlite_database.write(add_prediction))
    move_away(path)
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(sqlite_database.write(add_prediction))
    path.with_name("elsewhere.db").rename(path)
    # The refused row was rolled back, so its id was not given.
    assert asyncio.run(sqlite_database.write(add_prediction)) == 2


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("sqlite:///missing/pixelwise.db", r"the folder .*/missing does not exist$"),
        ("sqlite:///{root}/pixelwise.db", r"does not exist; .* four slashes: sqlite:////.*/pixelwise\.db$"),
        ("sqlite://", "the path of a file"),
        ("sqlite:///:memory:", "the path of a file"),
        ("sqlite://folder/pixelwise.db", "the path of a file"),
        ("sqlite:///pixelwise.db?mode=ro", "the path of a file"),
        ("postgresql+psycopg://user:kept-quiet@localhost:port/x", "is not a valid URL"),
    ],
)
def test_url_that_cannot_work_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=hint) as refused:
        Database(url.format(root=str(tmp_path)[1:])).open()
    assert "\n" not in str(refused.value)
    assert "kept-quiet" not in str(refused.value)


# Faults


def test_full_disk_is_told_and_ends_when_there_is_room(sqlite_database: Database) -> None:
    pages = asyncio.run(sqlite_database.write(lambda session: pragma(session, "page_count")))
    asyncio.run(sqlite_database.write(lambda session: pragma(session, f"max_page_count={pages}")))

    def add_much(session: Session) -> None:
        session.add_all(a_prediction(notes="n" * 1000) for _ in range(100))

    with pytest.raises(DatabaseFull, match="full"):
        asyncio.run(sqlite_database.write(add_much))
    assert asyncio.run(sqlite_database.read(count_predictions)) == 0
    asyncio.run(sqlite_database.write(lambda session: pragma(session, "max_page_count=1000000")))
    asyncio.run(sqlite_database.write(add_much))
    assert asyncio.run(sqlite_database.read(count_predictions)) == 100


def test_lock_that_is_not_given_in_time_is_told_as_busy(sqlite_database: Database) -> None:
    asyncio.run(sqlite_database.write(lambda session: pragma(session, "busy_timeout=50")))
    other = sa.create_engine(f"sqlite:///{path_of(sqlite_database)}")
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="locked"):
            asyncio.run(sqlite_database.write(add_prediction))
        assert "locked" in (asyncio.run(sqlite_database.write_problem()) or "")
    other.dispose()
    assert asyncio.run(sqlite_database.write_problem()) is None


def test_probe_commits_a_change(sqlite_database: Database) -> None:
    log = path_of(sqlite_database).with_name("pixelwise.db-wal")
    asyncio.run(sqlite_database.write(add_prediction))
    before = log.stat().st_size
    assert asyncio.run(sqlite_database.write_problem()) is None
    assert log.stat().st_size > before


def test_probe_works_on_both_engines(database: Database) -> None:
    assert asyncio.run(database.write_problem()) is None


def test_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pixelwise.db"
    path.write_bytes(b"These are not the pages of a database. " * 100)
    database = Database(f"sqlite:///{path}")
    assert "not a database" in (database.schema_problem() or "")
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        asyncio.run(database.write(add_prediction))
    database.close()


def test_server_that_does_not_answer_is_told_without_the_password() -> None:
    database = Database("postgresql+psycopg://user:kept-quiet@127.0.0.1:1/pixelwise")
    database.open()
    problem = database.schema_problem() or ""
    with pytest.raises(DatabaseUnavailable) as refused:
        asyncio.run(database.write(add_prediction))
    assert "refused" in problem
    assert "kept-quiet" not in f"{refused.value} {problem}"
    assert "\n" not in problem
    database.close()


def test_connections_that_the_server_ended_are_replaced(postgres_url: str) -> None:
    database = Database(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    asyncio.run(database.write(add_prediction))
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert asyncio.run(database.write(add_prediction)) == 2
    database.close()


def test_connection_that_ends_in_the_middle_is_told_and_nothing_is_stored(postgres_url: str) -> None:
    database = Database(postgres_url.replace("postgresql://", "postgresql+psycopg://"))

    def end_own_connection(session: Session) -> None:
        add_prediction(session)
        session.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DatabaseUnavailable):
        asyncio.run(database.write(end_own_connection))
    assert asyncio.run(database.read(count_predictions)) == 0
    database.close()


@pytest.mark.parametrize(
    ("setting", "statement"),
    [("lock_timeout", "LOCK TABLE predictions"), ("statement_timeout", "SELECT pg_sleep(30)")],
)
def test_postgresql_timeouts_are_told_as_busy(postgres_url: str, setting: str, statement: str) -> None:
    database = Database(postgres_url.replace("postgresql://", "postgresql+psycopg://"))

    def wait(session: Session) -> None:
        session.execute(sa.text(f"SET LOCAL {setting} = 50"))
        session.execute(sa.text(statement))

    with psycopg.connect(postgres_url) as holder:
        holder.execute("LOCK TABLE predictions")
        with pytest.raises(DatabaseBusy, match="timeout"):
            asyncio.run(database.write(wait))
    database.close()


def test_full_disk_of_postgresql_is_told(postgres_url: str) -> None:
    database = Database(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    # The disk of a server that others use cannot be filled; its word for it can be had.
    full = sa.text("DO $$ BEGIN RAISE disk_full; END $$")
    with pytest.raises(DatabaseFull, match="disk_full"):
        asyncio.run(database.write(lambda session: session.execute(full)))
    database.close()


def test_postgresql_sessions_have_the_settings_the_promise_needs(postgres_url: str) -> None:
    database = Database(postgres_url.replace("postgresql://", "postgresql+psycopg://"))

    def settings(session: Session) -> list[object]:
        names = ("synchronous_commit", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return [session.scalar(sa.text(f"SHOW {name}")) for name in names]

    assert asyncio.run(database.write(settings)) == ["on", "5s", "2s", "10s"]
    database.close()


def test_error_quotes_neither_the_statement_nor_its_values(database: Database) -> None:
    def break_a_rule(session: Session) -> None:
        session.add(a_prediction(confidence=1.5, notes="kept-quiet"))

    with pytest.raises(DatabaseUnavailable, match="ck_predictions_confidence") as refused:
        asyncio.run(database.write(break_a_rule))
    assert "kept-quiet" not in str(refused.value)
    assert "INSERT" not in str(refused.value)
    assert isinstance(refused.value.__cause__, sa.exc.IntegrityError)


# Tables


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


@pytest.mark.parametrize("pixels", [b"", bytes(783), bytes(785)])
def test_drawing_of_another_size_is_refused(database: Database, pixels: bytes) -> None:
    def add(session: Session) -> None:
        session.add(a_prediction(drawing=Drawing(pixels=pixels, scores=[])))

    with pytest.raises(DatabaseError, match="ck_drawings_pixels"):
        asyncio.run(database.write(add))
    assert asyncio.run(database.read(count_predictions)) == 0


def test_id_of_a_deleted_prediction_is_not_given_again(database: Database) -> None:
    asyncio.run(database.write(add_prediction))
    asyncio.run(database.write(add_prediction))
    asyncio.run(database.write(lambda session: session.delete(session.get_one(Prediction, 2))))
    assert asyncio.run(database.write(add_prediction)) == 3


def test_times_are_utc_whatever_zone_they_came_in(database: Database) -> None:
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


def test_sqlite_holds_the_time_as_v0_5_wrote_it(sqlite_database: Database) -> None:
    def add(session: Session) -> None:
        session.add(a_prediction(created_at=datetime(2026, 3, 1, 12, 30, 0, 250000, UTC)))

    asyncio.run(sqlite_database.write(add))
    query = sa.text("SELECT created_at FROM predictions")
    assert asyncio.run(sqlite_database.read(lambda session: session.scalar(query))) == "2026-03-01 12:30:00.250000"


def test_row_inserted_by_hand_gets_a_time_and_an_old_one_without_stays_readable(database: Database) -> None:
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


# SessionLocal, as the course uses it


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


def test_every_connection_goes_back_to_its_pool(database: Database) -> None:
    taken: list[PoolProxiedConnection] = []
    sa.event.listen(database.engine, "checkout", lambda *arguments: taken.append(arguments[2]))
    returned: list[object] = []
    sa.event.listen(database.engine, "checkin", lambda *arguments: returned.append(arguments[0]))
    asyncio.run(database.write(add_prediction))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(database.write(lambda _session: 1 // 0))
    with pytest.raises(DatabaseError):
        asyncio.run(database.write(lambda session: session.execute(sa.text("nonsense"))))
    assert len(taken) == len(returned) == 2
