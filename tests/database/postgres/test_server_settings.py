"""PostgreSQL databases with settings of their own: another encoding, time zone or form of dates, other roles."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from app.cli.exit_codes import ExitCode
from app.config import get_settings
from app.database import Database
from app.database.postgres import engine
from app.database.postgres.engine import postgres_migration_engine
from tests.support.command_line import done, refused, run
from tests.support.databases import migrate, postgres_database
from tests.support.http_fixtures import Start
from tests.support.old_databases import refusal
from tests.support.project_copy import need
from tests.support.service import DRAWING, execute, rows
from tests.support.waiting import wait_until

# A role that every server has, without privileges of its own.
ROLE = "pg_monitor"


def as_role(url: str) -> str:
    return f"{url}?options=-c%20role%3D{ROLE}"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_database_that_cannot_store_every_text_is_refused_in_one_line(
    settings_environment: pytest.MonkeyPatch, postgres_admin_url: str, encoding: str
) -> None:
    name = f"pixelwise_test_{encoding.lower()}"
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        try:
            url = make_url(postgres_admin_url).set(database=name).render_as_string(hide_password=False)
            assert f"the database has the encoding {encoding}" in refusal(url, "upgrade", "head")
            settings_environment.setenv("DATABASE_URL", url)
            assert "createdb --encoding=UTF8 --template=template0" in refused(ExitCode.UNAVAILABLE, "results")
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_server_that_is_too_old_is_refused_before_the_first_revision(
    monkeypatch: pytest.MonkeyPatch, empty_postgres_url: str
) -> None:
    (found,) = rows(empty_postgres_url, "SELECT current_setting('server_version_num')::int / 10000 AS version")
    version = int(found["version"])
    monkeypatch.setattr(engine, "OLDEST_SERVER", version + 1)
    message = refusal(empty_postgres_url, "upgrade", "head")
    assert message == f"pixelwise: the PostgreSQL server has version {version}; it must be {version + 1} or newer"
    monkeypatch.undo()
    assert rows(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_zone_and_form_of_dates_of_the_database_change_nothing(start: Start, empty_postgres_url: str) -> None:
    name = make_url(empty_postgres_url).database
    zone = "ALTER DATABASE {} SET timezone = '{}'"
    for style, place in (("SQL, DMY", "America/New_York"), ("German", "Asia/Kathmandu")):
        execute(
            empty_postgres_url,
            f"ALTER DATABASE {name} SET datestyle = '{style}'",
            zone.format(name, place),
        )
        migrate(empty_postgres_url)
        client = start(DATABASE_URL=empty_postgres_url)
        id_ = client.post("/classify", json=DRAWING).json()["id"]
        # As version 0.5 left some.
        execute(empty_postgres_url, f"UPDATE predictions SET created_at = NULL WHERE id = {id_}")
        stored = client.post("/classify", json=DRAWING).json()
        filters = {"prediction": stored["prediction"], "model_version": stored["model_version"]}
        for params in ({}, filters, filters | {"since": "2026-01-01"}):
            assert client.get("/results", params=params).status_code == 200, (style, params)
        assert client.get("/stats").status_code == 200
    execute(empty_postgres_url, f"ALTER DATABASE {name} RESET datestyle", zone.format(name, "Asia/Kathmandu"))


def test_last_day_of_summer_time_is_as_long_as_others(start: Start, empty_postgres_url: str) -> None:
    migrate(empty_postgres_url)
    zone = f"ALTER DATABASE {make_url(empty_postgres_url).database} SET timezone = '{{}}'"
    execute(empty_postgres_url, zone.format("Europe/Berlin"))
    client = start(DATABASE_URL=empty_postgres_url)
    for time in ("2026-03-29 10:00:00+00", "2026-03-29 23:30:00+00"):
        id_ = client.post("/classify", json=DRAWING).json()["id"]
        execute(empty_postgres_url, f"UPDATE predictions SET created_at = '{time}' WHERE id = {id_}")
    (model,) = client.get("/models").json()["models"]
    assert model["last_seen"] == "2026-03-29T23:30:00Z"
    execute(empty_postgres_url, zone.format("Asia/Kathmandu"))


@pytest.mark.parametrize("level", ["repeatable%5C%20read", "serializable"])
def test_isolation_level_of_the_server_changes_nothing(start: Start, empty_postgres_url: str, level: str) -> None:
    url = f"{empty_postgres_url}?options=-c%20default_transaction_isolation%3D{level}"
    migrate(url)
    client = start(DATABASE_URL=url)
    assert client.post("/classify", json=DRAWING).status_code == 200
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as caller:
        other.execute("INSERT INTO labels (prediction_id, label) VALUES (1, '3')")
        answer = caller.submit(client.put, "/results/1/label", json={"label": "7"})
        wait_until(lambda: bool(rows(url, waiting)), "the label waits for a lock")
        other.commit()
        assert answer.result().status_code == 200
    assert rows(url, "SELECT label FROM labelled_predictions") == [{"label": "7"}]
    driver_url = make_url(url).set(drivername="postgresql+psycopg")
    for read_only in (True, False):
        with postgres_migration_engine(driver_url, read_only=read_only).connect() as connection:
            assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"


def test_index_is_made_without_the_timeouts_of_the_role(empty_postgres_url: str) -> None:
    url = f"{empty_postgres_url}?options=-c%20lock_timeout%3D9s%20-c%20statement_timeout%3D9s"
    engine = postgres_migration_engine(make_url(url).set(drivername="postgresql+psycopg"), read_only=False)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # CREATE INDEX CONCURRENTLY may take minutes, and needs this mode.
        assert connection.scalar(text("SHOW lock_timeout")) == "0"
        assert connection.scalar(text("SHOW statement_timeout")) == "0"


def test_read_sees_one_snapshot(postgres_url: str) -> None:
    def count_twice(session: Session) -> tuple[int, int]:
        counted = text("SELECT count(*) FROM predictions")
        before = session.scalar(counted)
        execute(
            postgres_url,
            "INSERT INTO predictions (prediction, confidence, model_version, created_at) VALUES ('1', 1, 'v', now())",
        )
        return before, session.scalar(counted)

    database = Database(postgres_url)
    try:
        before, after = asyncio.run(database.read(count_twice))
    finally:
        database.close()
    assert (before, after) == (0, 0)


def test_role_with_the_documented_privileges_can_make_backups(
    settings_environment: pytest.MonkeyPatch, empty_postgres_url: str, tmp_path: Path
) -> None:
    need("pg_dump", "postgresql-client")
    migrate(empty_postgres_url)
    execute(empty_postgres_url, f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    settings_environment.setenv("DATABASE_URL", as_role(empty_postgres_url))
    (grants,) = {line.split("can run: ")[1] for line in run("check").out.splitlines() if "can run: " in line}
    # The error names the role that logs in.
    user = make_url(empty_postgres_url).username
    execute(empty_postgres_url, *grants.replace(f'"{user}"', ROLE).split(";"))
    done("backup", str(tmp_path / "backups"))


def test_backup_is_restored_into_a_database_whose_extension_belongs_to_another_role(
    settings_environment: pytest.MonkeyPatch, postgres_url: str, postgres_admin_url: str, tmp_path: Path
) -> None:
    need("pg_dump", "postgresql-client")
    settings_environment.setenv("DATABASE_URL", postgres_url)
    done("backup", str(tmp_path))
    (dump,) = tmp_path.glob("*.dump")
    with postgres_database(postgres_admin_url, "restored") as url:
        execute(url, "CREATE EXTENSION pg_trgm", f"GRANT USAGE, CREATE ON SCHEMA public TO {ROLE}")
        settings_environment.setenv("DATABASE_URL", as_role(url))
        get_settings.cache_clear()
        done("restore", str(dump), "--yes")
