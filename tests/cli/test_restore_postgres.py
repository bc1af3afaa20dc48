"""`python -m app restore` on PostgreSQL."""

import json
from pathlib import Path

import pytest

from app.cli.exit_codes import ExitCode
from app.config import get_settings
from tests.support.backups import ROWS, flip_one_bit, take_backup
from tests.support.command_line import done, refused
from tests.support.old_databases import everything
from tests.support.project_copy import need
from tests.support.service import execute, rows
from tests.support.stored_rows import store


@pytest.fixture
def backup(
    settings_environment: pytest.MonkeyPatch, postgres_url: str, empty_postgres_url: str, tmp_path: Path
) -> Path:
    """A backup of a PostgreSQL database with rows; the settings name another, which is empty."""
    need("pg_restore", "postgresql-client")
    store(postgres_url, ROWS, drawings=True)
    # Explicit ids do not advance the sequence.
    execute(postgres_url, f"ALTER SEQUENCE predictions_id_seq RESTART {len(ROWS) + 1}")
    settings_environment.setenv("DATABASE_URL", postgres_url)
    dump = take_backup(tmp_path)
    settings_environment.setenv("DATABASE_URL", empty_postgres_url)
    get_settings.cache_clear()
    return dump


def test_restore_fills_an_empty_database(backup: Path, postgres_url: str, empty_postgres_url: str) -> None:
    done("restore", str(backup), "--yes")
    assert everything(empty_postgres_url) == everything(postgres_url)
    # The next id follows the last one.
    execute(
        empty_postgres_url, "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.5, 'v1')"
    )
    assert rows(empty_postgres_url, "SELECT max(id) AS id FROM predictions") == [{"id": len(ROWS) + 1}]


def test_database_with_tables_is_refused_and_unchanged(backup: Path, empty_postgres_url: str) -> None:
    execute(empty_postgres_url, "CREATE TABLE others (id INTEGER)")
    message = refused(ExitCode.FAILURE, "restore", str(backup), "--yes")
    assert "has tables (others); restore into an empty one" in message
    assert rows(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [
        {"tablename": "others"}
    ]


def test_failed_restore_says_why(backup: Path, empty_postgres_url: str) -> None:
    execute(empty_postgres_url, "CREATE SEQUENCE predictions_id_seq")
    message = refused(ExitCode.FAILURE, "restore", str(backup), "--yes")
    assert 'relation "predictions_id_seq" already exists' in message


def test_dump_of_a_newer_version_is_refused(backup: Path, empty_postgres_url: str) -> None:
    manifest = backup.with_name(f"{backup.name}.manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"revision": "0099"}))
    message = refused(ExitCode.FAILURE, "restore", str(backup), "--yes")
    assert "is of a newer PixelWise (revision 0099)" in message
    assert rows(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_damaged_dump_is_refused(backup: Path, empty_postgres_url: str) -> None:
    flip_one_bit(backup)
    message = refused(ExitCode.FAILURE, "restore", str(backup), "--yes")
    assert "is not the file that its manifest describes" in message
    assert rows(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
