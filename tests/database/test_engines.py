"""Engines: their settings, missing files, and error messages."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from app.config import ConfigurationError
from app.database import Database
from app.database.database import READ_URL
from app.database.errors import DatabaseBusy, DatabaseFull, DatabaseUnavailable
from tests.support.predictions import a_prediction, add_prediction, count_predictions


def pragma(session: Session, name: str) -> object:
    return session.scalar(sa.text(f"PRAGMA {name}"))


def path_of(database: Database) -> Path:
    return Path(database.url.database or "")


def test_sqlite_connections_have_durable_settings(sqlite_database: Database) -> None:
    def settings(session: Session) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only", "wal_autocheckpoint")
        return {name: pragma(session, name) for name in names}

    common = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000}
    # Every eighth transaction checkpoints, unless the WAL is empty, as before the first one.
    for _ in range(8):
        asyncio.run(sqlite_database.write(add_prediction))
    written = asyncio.run(sqlite_database.write(settings))
    assert written == {**common, "foreign_keys": 1, "query_only": 0, "wal_autocheckpoint": 1000}
    read = asyncio.run(sqlite_database.read(settings))
    assert read == {**common, "foreign_keys": 0, "query_only": 1, "wal_autocheckpoint": 0}


def test_close_leaves_one_file_that_holds_every_row(sqlite_database: Database) -> None:
    path = path_of(sqlite_database)
    asyncio.run(sqlite_database.write(add_prediction))
    asyncio.run(sqlite_database.read(count_predictions))
    assert path.with_name(f"{path.name}-wal").exists()
    sqlite_database.close()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert asyncio.run(sqlite_database.read(count_predictions)) == 1


def test_services_that_start_together_wait_for_wal_mode(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with closing(
        sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, other.execute, ["COMMIT"])
        release.start()
        problem = database.try_open_writer()
        release.join()
    try:
        assert problem is None
        assert asyncio.run(database.write(lambda session: pragma(session, "journal_mode"))) == "wal"
    finally:
        database.close()


def test_missing_file_is_not_replaced_by_an_empty_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'pixelwise.db'}")
    with pytest.raises(DatabaseUnavailable, match=r"there is no database at .*run: alembic upgrade head"):
        database.open()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("sqlite:///missing/pixelwise.db", r"the folder .*/missing does not exist$"),
        ("sqlite:///{root}/pixelwise.db", r"does not exist; .* four slashes: sqlite:////.*/pixelwise\.db$"),
        ("sqlite://", "the path of a file"),
        ("sqlite:///:memory:", "the path of a file"),
        ("sqlite://folder/pixelwise.db", "the path of a file"),
        ("sqlite:///pixelwise.db?mode=ro", "the path of a file"),
        ("sqlite:///what?.db", "the path of a file"),
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


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///missing/pixelwise.db", "sqlite:///.", "sqlite:///pixelwise.db/x"]
)
def test_url_that_cannot_work_is_refused_with_the_name_of_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixelwise.db").touch()
    with pytest.raises(ConfigurationError, match=f"^{READ_URL}: "):
        Database("postgresql+psycopg://localhost/x", url).open()


def test_full_disk_is_reported_until_there_is_room(sqlite_database: Database) -> None:
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


def test_held_lock_is_reported_as_busy(sqlite_database: Database) -> None:
    asyncio.run(sqlite_database.write(lambda session: pragma(session, "busy_timeout=50")))
    other = sa.create_engine(f"sqlite:///{path_of(sqlite_database)}")
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="locked"):
            asyncio.run(sqlite_database.write(add_prediction))
        assert "locked" in (asyncio.run(sqlite_database.try_write()) or "")
    other.dispose()
    assert asyncio.run(sqlite_database.try_write()) is None


def test_probe_commits_a_change(sqlite_database: Database) -> None:
    log = path_of(sqlite_database).with_name("pixelwise.db-wal")
    asyncio.run(sqlite_database.write(add_prediction))
    before = log.stat().st_size
    assert asyncio.run(sqlite_database.try_write()) is None
    assert log.stat().st_size > before


def test_probe_works_on_both_engines(database: Database) -> None:
    assert asyncio.run(database.try_write()) is None


def test_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "pixelwise.db"
    path.write_bytes(b"These are not the pages of a database. " * 100)
    database = Database(f"sqlite:///{path}")
    assert "not a database" in (database.schema_problem() or "")
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        asyncio.run(database.write(add_prediction))
    database.close()


def test_unreachable_server_is_reported_without_the_password() -> None:
    database = Database("postgresql+psycopg://user:kept-quiet@127.0.0.1:1/pixelwise")
    database.open()
    problem = database.schema_problem() or ""
    with pytest.raises(DatabaseUnavailable) as refused:
        asyncio.run(database.write(add_prediction))
    assert "refused" in problem
    assert "kept-quiet" not in f"{refused.value} {problem}"
    assert "\n" not in problem
    database.close()


def test_connections_ended_by_the_server_are_replaced(postgres_url: str) -> None:
    database = Database(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    asyncio.run(database.write(add_prediction))
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert asyncio.run(database.write(add_prediction)) == 2
    database.close()


def test_connection_that_ends_during_a_write_stores_nothing(postgres_url: str) -> None:
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
def test_postgresql_timeouts_are_reported_as_busy(postgres_url: str, setting: str, statement: str) -> None:
    database = Database(postgres_url.replace("postgresql://", "postgresql+psycopg://"))

    def wait(session: Session) -> None:
        session.execute(sa.text(f"SET LOCAL {setting} = 50"))
        session.execute(sa.text(statement))

    with psycopg.connect(postgres_url) as holder:
        holder.execute("LOCK TABLE predictions")
        with pytest.raises(DatabaseBusy, match="timeout"):
            asyncio.run(database.write(wait))
    database.close()


def test_full_disk_of_postgresql_is_reported(postgres_url: str) -> None:
    database = Database(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    # A shared server's disk cannot be filled, so raise its error.
    full = sa.text("DO $$ BEGIN RAISE disk_full; END $$")
    with pytest.raises(DatabaseFull, match="disk_full"):
        asyncio.run(database.write(lambda session: session.execute(full)))
    database.close()


def test_postgresql_sessions_have_durable_settings(postgres_url: str) -> None:
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
