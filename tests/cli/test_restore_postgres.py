"""`python -m app restore` on PostgreSQL: into an empty database, all of it or nothing."""

import json
from pathlib import Path

import pytest

from app.cli.exit_codes import ExitCode
from app.config import get_settings
from tests.support.backups import ROWS, backed_up, change_one_bit
from tests.support.command_line import done, refused
from tests.support.old_databases import everything
from tests.support.project_copy import need
from tests.support.service import execute, rows
from tests.support.stored_rows import store


@pytest.fixture
def configured_postgresql(
    settings_environment: pytest.MonkeyPatch, postgres_url: str, empty_postgres_url: str, tmp_path: Path
) -> Path:
    """A backup of a PostgreSQL database with rows; the settings name another, which is empty."""
    need("pg_restore", "postgresql-client")
    store(postgres_url, ROWS, drawings=True)
    # A sequence does not notice ids that were given.
    execute(postgres_url, f"ALTER SEQUENCE predictions_id_seq RESTART {len(ROWS) + 1}")
    settings_environment.setenv("DATABASE_URL", postgres_url)
    backup = backed_up(tmp_path)
    settings_environment.setenv("DATABASE_URL", empty_postgres_url)
    get_settings.cache_clear()
    return backup


def test_everything_is_restored_into_an_empty_database(
    configured_postgresql: Path, postgres_url: str, empty_postgres_url: str
) -> None:
    done("restore", str(configured_postgresql), "--yes")
    assert everything(empty_postgres_url) == everything(postgres_url)
    # Ids go on where they were.
    execute(
        empty_postgres_url, "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.5, 'v1')"
    )
    assert rows(empty_postgres_url, "SELECT max(id) AS id FROM predictions") == [{"id": len(ROWS) + 1}]


def test_a_database_with_tables_is_left_alone(configured_postgresql: Path, empty_postgres_url: str) -> None:
    execute(empty_postgres_url, "CREATE TABLE somebodys (id INTEGER)")
    told = refused(ExitCode.FAILURE, "restore", str(configured_postgresql), "--yes")
    assert "has tables (somebodys); restore into an empty one" in told
    assert rows(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [
        {"tablename": "somebodys"}
    ]


def test_a_dump_of_a_newer_version_changes_nothing(configured_postgresql: Path, empty_postgres_url: str) -> None:
    manifest = configured_postgresql.with_name(f"{configured_postgresql.name}.manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"revision": "0099"}))
    told = refused(ExitCode.FAILURE, "restore", str(configured_postgresql), "--yes")
    assert "is of a newer PixelWise (revision 0099)" in told
    assert rows(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_a_spoilt_dump_changes_nothing(configured_postgresql: Path, empty_postgres_url: str) -> None:
    change_one_bit(configured_postgresql)
    told = refused(ExitCode.FAILURE, "restore", str(configured_postgresql), "--yes")
    assert "is not the file that its manifest describes" in told
    assert rows(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
