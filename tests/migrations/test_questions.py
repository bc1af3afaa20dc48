"""Commands that only ask, or have nothing to do, lock and create nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

import init_db
from app.config import get_settings
from tests.support.command_line import done, refused
from tests.support.databases import migrate
from tests.support.old_databases import engine_name, refusal, sqlite_path
from tests.support.sql_statements import executed


@contextmanager
def nobody_else_may_write(url: str) -> Iterator[None]:
    """Hold the lock of a migration and of every writer."""
    if engine_name(url) == "sqlite":
        with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as writer:
            writer.execute("PRAGMA journal_mode=WAL")
            writer.execute("BEGIN IMMEDIATE")
            yield
        return
    with psycopg.connect(url) as writer:
        writer.execute("SELECT pg_advisory_xact_lock(1346984023)")
        writer.execute("LOCK TABLE predictions, drawings, alembic_version IN SHARE ROW EXCLUSIVE MODE")
        yield


def test_upgrade_with_nothing_to_do_takes_no_lock_and_reads_no_table(database_url: str) -> None:
    locked: AbstractContextManager[None] = nobody_else_may_write(database_url)
    with locked, executed() as statements:
        for arguments in (("upgrade", "head"), ("stamp", "head"), ("current",), ("check",), ("history",)):
            migrate(database_url, *arguments)
    texts = [statement.text for statement in statements]
    assert [text for text in texts if "foreign_key_check" in text or "FROM predictions" in text] == []


def test_init_db_and_the_command_take_no_lock_either(
    configured_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with nobody_else_may_write(configured_database_url):
        init_db.main([])
        assert "was already up to date" in capsys.readouterr().out
        done("upgrade")


@pytest.mark.parametrize("command", [("current",), ("check",), ("revision", "mood", True)], ids=lambda value: value[0])
def test_question_about_a_missing_database_is_answered_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    message = refusal(f"sqlite:///{tmp_path / 'mistyped.db'}", *command)
    assert message == f"pixelwise: there is no database at {tmp_path}/mistyped.db; run: alembic upgrade head"
    assert list(tmp_path.iterdir()) == []


def test_questions_that_need_no_database_create_none(tmp_path: Path) -> None:
    for arguments in (("history",), ("heads",), ("branches",), ("show", "0003"), ("show", "current")):
        migrate(f"sqlite:///{tmp_path / 'mistyped.db'}", *arguments)
    assert list(tmp_path.iterdir()) == []


READING = (
    *("results", "show 1", "labels 1", "review --json", "stats", "timeline", "calibration", "drift", "models"),
    *("export rows.csv", "backup", "prune --older-than 1d", "replay models/digits.onnx", "copy-to postgresql://h/d"),
    *("label 1 7", "notes 1 text", "delete 1 --yes"),
)


@pytest.mark.parametrize("command", READING)
def test_commands_create_no_database_at_a_mistyped_path(
    settings_environment: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    settings_environment.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/mistyped.db")
    assert "there is no database at" in refused(3, *command.split())
    # An empty file stays empty.
    (tmp_path / "mistyped.db").touch()
    if command != "backup":
        get_settings.cache_clear()
        assert "run: alembic upgrade head" in refused(3, *command.split())
    assert {path.name for path in tmp_path.iterdir()} - {"backups"} == {"mistyped.db"}
    assert (tmp_path / "mistyped.db").stat().st_size == 0


@pytest.mark.parametrize("revision", ["0099", "nonsense"])
def test_mistyped_revision_is_named_and_the_database_is_not_blamed(database_url: str, revision: str) -> None:
    for command in ("upgrade", "downgrade", "stamp"):
        message = refusal(database_url, command, revision)
        assert message == f"pixelwise: Can't locate revision identified by '{revision}'"


def test_ensure_version_is_refused_with_the_command_to_run(empty_database_url: str) -> None:
    assert refusal(empty_database_url, "ensure_version").endswith("not supported; run: alembic upgrade head")


@pytest.mark.parametrize("command", ["upgrade", "current", "check"])
def test_folder_and_foreign_file_are_named_in_one_line(tmp_path: Path, command: str) -> None:
    arguments = (command, "head") if command == "upgrade" else (command,)
    assert f"{tmp_path} is a folder; add the name" in refusal(f"sqlite:///{tmp_path}", *arguments)
    text = tmp_path / "notes.txt"
    text.write_text("no database\n" * 100)
    assert "file is not a database" in refusal(f"sqlite:///{text}", *arguments)
    assert text.read_text() == "no database\n" * 100
