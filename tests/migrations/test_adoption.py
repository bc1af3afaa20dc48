"""Existing databases are adopted with every row, or refused and unchanged."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.database.schema_version import schema_revision
from tests.support.databases import migrate
from tests.support.old_databases import (
    assert_one_line_error,
    engine_name,
    everything,
    execute,
    make_optional_part,
    make_v0_5,
    one_line,
    prepare,
    refusal,
    rows,
    run,
    schema_problem,
    sqlite_path,
    statements_by_name,
)

pytestmark = pytest.mark.slow


def test_v0_5_database_is_adopted_with_every_row(empty_database_url: str) -> None:
    make_v0_5(empty_database_url)
    migrate(empty_database_url)
    migrate(empty_database_url, "check")
    found = rows(
        empty_database_url,
        "SELECT id, prediction, confidence, model_version, notes, client FROM predictions ORDER BY id",
    )
    assert found == [(1, "7", 0.94, "v1", None, None), (2, "1", 0.5, "v1", None, None)]
    times = [time for (time,) in rows(empty_database_url, "SELECT created_at FROM predictions ORDER BY id")]
    assert times[1] is None
    if engine_name(empty_database_url) == "sqlite":
        assert times[0] == "2026-03-01 12:30:00.250000"
    else:
        assert times[0].timestamp() == 1772368200.25


def test_invalid_confidence_is_kept_in_the_notes(empty_database_url: str) -> None:
    make_v0_5(empty_database_url)
    execute(
        empty_database_url,
        "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('3', 94, 'v1'), ('4', -1, 'v1')",
    )
    migrate(empty_database_url)
    found = rows(empty_database_url, "SELECT confidence, notes FROM predictions WHERE id > 2 ORDER BY id")
    assert [confidence for confidence, _ in found] == [1, 0]
    assert [re.sub(r"\.0\b", "", notes) for _, notes in found] == ["(confidence was 94)", "(confidence was -1)"]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE predictions (id INTEGER NOT NULL PRIMARY KEY, outcome VARCHAR)",
        "CREATE TABLE predictions (id INTEGER NOT NULL PRIMARY KEY, prediction INTEGER NOT NULL,"
        " confidence FLOAT NOT NULL, model_version VARCHAR NOT NULL, created_at TIMESTAMP)",
    ],
)
def test_unknown_table_is_refused_and_unchanged(empty_database_url: str, statement: str) -> None:
    execute(empty_database_url, statement)
    before = everything(empty_database_url)
    message = refusal(empty_database_url)
    assert "is not the one of PixelWise 0.5" in message
    assert "id INTEGER" in message
    assert everything(empty_database_url) == before


INSERTION = "INSERT INTO {} (prediction, confidence, model_version) VALUES ('{}', 0.5, 'v1')"


def test_own_triggers_on_sqlite_survive_the_adoption(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pixelwise.db'}"
    make_v0_5(url)
    triggers = (
        # SQLite keeps the name of the table as it is written here.
        "CREATE TRIGGER noted AFTER INSERT ON Predictions BEGIN INSERT INTO log VALUES (new.prediction); END",
        "CREATE TRIGGER keep BEFORE DELETE ON predictions WHEN old.prediction = '7'"
        " BEGIN SELECT RAISE(ABORT, 'kept'); END",
        f"CREATE TRIGGER passed_on INSTEAD OF INSERT ON ones BEGIN {INSERTION.format('predictions', '1')}; END",
    )
    view = "CREATE VIEW ones AS SELECT * FROM predictions WHERE prediction = '1'"
    execute(url, "CREATE TABLE log (prediction VARCHAR)", view, *triggers)
    migrate(url)
    found = statements_by_name(sqlite_path(url))
    assert {found[name] for name in ("noted", "keep", "passed_on")} == set(triggers)
    assert rows(url, "SELECT * FROM log") == []
    execute(url, INSERTION.format("predictions", "3"), INSERTION.format("ones", "1"))
    assert rows(url, "SELECT * FROM log") == [("3",), ("1",)]
    with pytest.raises(sa.exc.IntegrityError, match="kept"):
        execute(url, "DELETE FROM predictions WHERE prediction = '7'")
    execute(url, "DELETE FROM predictions WHERE prediction = '1'")
    assert rows(url, "SELECT prediction FROM predictions ORDER BY id") == [("7",), ("3",)]


def test_database_with_notes_is_adopted_by_the_suggested_command(empty_database_url: str) -> None:
    make_optional_part(empty_database_url)
    before = everything(empty_database_url)
    message = refusal(empty_database_url)
    assert everything(empty_database_url) == before
    command = message.partition("run: ")[2]
    assert command == "alembic stamp --purge 0002 && alembic upgrade head"
    pasted = run(empty_database_url, command)
    assert pasted.returncode == 0, pasted.stderr
    migrate(empty_database_url, "check")
    found = rows(empty_database_url, "SELECT id, notes FROM predictions ORDER BY id")
    assert found == [(1, "smudged"), (2, None)]


def test_notes_without_a_revision_are_refused_with_the_same_command(empty_database_url: str) -> None:
    make_optional_part(empty_database_url)
    execute(empty_database_url, "DROP TABLE alembic_version")
    before = everything(empty_database_url)
    assert refusal(empty_database_url).endswith("run: alembic stamp --purge 0002 && alembic upgrade head")
    assert everything(empty_database_url) == before


def test_v0_5_table_with_another_revision_gets_the_command(empty_database_url: str) -> None:
    make_optional_part(empty_database_url)
    execute(empty_database_url, "ALTER TABLE predictions DROP COLUMN notes")
    assert refusal(empty_database_url).endswith("run: alembic stamp --purge 0001 && alembic upgrade head")


def test_newer_database_is_refused_and_unchanged(empty_database_url: str) -> None:
    migrate(empty_database_url)
    execute(empty_database_url, "UPDATE alembic_version SET version_num = '9999'")
    before = everything(empty_database_url)
    message = refusal(empty_database_url)
    assert "revision 9999" in message
    assert "newer version" in message
    assert everything(empty_database_url) == before


def test_missing_folder_is_reported_with_a_suggested_url(tmp_path: Path) -> None:
    url = f"sqlite:///{str(tmp_path)[1:]}/pixelwise.db"
    message = refusal(url)
    assert f"{Path.cwd()}{tmp_path}" in message
    assert f"sqlite:///{tmp_path}/pixelwise.db" in message


def test_unreachable_server_is_reported_in_one_line_without_the_password() -> None:
    done = run("postgresql://user:kept-quiet@127.0.0.1:1/pixelwise", "alembic upgrade head")
    assert "kept-quiet" not in assert_one_line_error(done)


@pytest.mark.parametrize("start", ["nothing", "v0.5", "current"])
def test_init_db_creates_upgrades_and_can_be_repeated(empty_database_url: str, start: str) -> None:
    if start == "v0.5":
        make_v0_5(empty_database_url)
    elif start == "current":
        migrate(empty_database_url)
    printed = prepare(empty_database_url)
    expected = "was already up to date" if start == "current" else "is ready"
    assert printed == f"The database {expected} (revision {schema_revision()}).\n"
    assert rows(empty_database_url, "SELECT count(*) FROM predictions") == [(2 if start == "v0.5" else 0,)]
    migrate(empty_database_url, "check")


def test_init_db_fails_with_one_line(tmp_path: Path) -> None:
    assert_one_line_error(run(f"sqlite:///{tmp_path}/missing/pixelwise.db", "python init_db.py"))
    with pytest.raises(SystemExit) as refused:
        prepare("mysql://localhost/pixelwise")
    assert "DATABASE_URL" in one_line(refused.value)


def test_service_reports_a_wrong_schema(empty_database_url: str) -> None:
    url = empty_database_url
    steps: list[tuple[Callable[[], None], str]] = [
        (lambda: None, "is empty" if engine_name(url) == "postgresql" else "there is no database at"),
        (lambda: make_v0_5(url), "was made by PixelWise 0.5"),
        (lambda: migrate(url, "upgrade", "0002"), "is at revision 0002"),
        (lambda: execute(url, "UPDATE alembic_version SET version_num = '8f3c21ab90de'"), "8f3c21ab90de"),
    ]
    for step, expected in steps:
        step()
        problem = schema_problem(url)
        assert problem is not None
        assert expected in problem
        assert "run: alembic upgrade head" in problem
        assert "\n" not in problem
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in (schema_problem(url) or "")
    execute(url, "UPDATE alembic_version SET version_num = '0002'")
    migrate(url)
    assert schema_problem(url) is None


def test_service_needs_no_right_to_create_databases(tmp_path: Path) -> None:
    schema_problem(f"sqlite:///{tmp_path / 'pixelwise.db'}")
    assert list(tmp_path.iterdir()) == []
