"""Migrations: every step, both engines, old databases, failures midway, and two at once."""

import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from conftest import migrate

from app.config import PROJECT_FOLDER
from app.db import Database, schema_revision
from app.models import Base

V0_5_TABLE = {
    "sqlite": (
        "CREATE TABLE predictions (id INTEGER NOT NULL, prediction VARCHAR NOT NULL, confidence FLOAT NOT NULL,"
        " model_version VARCHAR NOT NULL, created_at DATETIME, PRIMARY KEY (id))"
    ),
    "postgresql": (
        "CREATE TABLE predictions (id SERIAL NOT NULL, prediction VARCHAR NOT NULL, confidence FLOAT NOT NULL,"
        " model_version VARCHAR NOT NULL, created_at TIMESTAMP WITHOUT TIME ZONE, PRIMARY KEY (id))"
    ),
}
V0_5_ROWS = (
    "INSERT INTO predictions (prediction, confidence, model_version, created_at) VALUES"
    " ('7', 0.94, 'v1', '2026-03-01 12:30:00.250000'), ('1', 0.5, 'v1', NULL)"
)
REVISIONS = ["0001", "0002", "0003"]


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """A connection that commits at the end, on an engine that keeps none open."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def execute(url: str, *statements: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def engine_name(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgresql"


def sqlite_path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def everything(url: str) -> object:
    """Tables, columns, constraints and rows: what must not change when a migration is refused or fails."""
    if engine_name(url) == "sqlite":
        if not sqlite_path(url).exists():
            return []
        connection = sqlite3.connect(sqlite_path(url))
        dump = list(connection.iterdump())
        connection.close()
        return dump
    with connected(url) as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        return [
            (
                table.name,
                [(column.name, str(column.type), column.nullable) for column in table.columns],
                sorted(str(constraint.name) for constraint in table.constraints),
                [tuple(row) for row in connection.execute(sa.select(table))],
            )
            for table in tables.sorted_tables
        ]


def make_v0_5(url: str) -> None:
    execute(url, V0_5_TABLE[engine_name(url)], V0_5_ROWS)


def make_optional_part(url: str) -> None:
    """The database of somebody who followed the course to its end."""
    make_v0_5(url)
    execute(
        url,
        "ALTER TABLE predictions ADD COLUMN notes VARCHAR",
        "UPDATE predictions SET notes = 'smudged' WHERE id = 1",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('8f3c21ab90de')",
    )


def run(url: str, command: str, folder: Path = PROJECT_FOLDER) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator types it, with this Python's programs first in the path."""
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "DATABASE_URL": url}
    return subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def assert_one_line_error(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith("INFO ")]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith("pixelwise: ")
    return errors[0]


def refusal(url: str, *arguments: str) -> str:
    """Run a migration that must be refused; return what it says."""
    with pytest.raises(SystemExit) as refused:
        migrate(url, *arguments)
    message = str(refused.value)
    assert message.startswith("pixelwise: ")
    assert "\n" not in message
    return message


def test_history_has_one_head_and_no_branch() -> None:
    scripts = ScriptDirectory.from_config(Config(PROJECT_FOLDER / "alembic.ini"))
    assert [script.revision for script in scripts.walk_revisions()][::-1] == REVISIONS
    assert scripts.get_heads() == [schema_revision()]


def test_migrated_tables_are_those_of_the_models(database_url: str) -> None:
    migrate(database_url, "check")


def test_check_notices_a_column_without_a_migration(empty_database_url: str) -> None:
    migrate(empty_database_url)
    execute(empty_database_url, "ALTER TABLE predictions ADD COLUMN undeclared INTEGER")
    done = run(empty_database_url, "alembic check")
    assert done.returncode != 0
    assert "undeclared" in done.stderr + done.stdout


def statements_by_name(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {
        name: " ".join(sql.replace('"', "").replace("(CURRENT_TIMESTAMP)", "CURRENT_TIMESTAMP").split())
        for name, sql in found
        if name not in ("alembic_version", "sqlite_sequence")
    }


def test_migrated_sqlite_file_is_the_one_create_all_would_make(sqlite_url: str, tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()
    created = statements_by_name(tmp_path / "created.db")
    assert statements_by_name(sqlite_path(sqlite_url)) == created
    assert set(created) >= {"predictions", "drawings"}


def test_every_step_goes_up_down_and_up_again_with_rows(empty_database_url: str) -> None:
    url = empty_database_url
    insert = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('{}', 0.25, 'v1')"
    for number, revision in enumerate(REVISIONS, start=1):
        migrate(url, "upgrade", revision)
        execute(url, insert.format(number))
        if revision == "0003":
            pixels = "zeroblob(784)" if engine_name(url) == "sqlite" else "decode(repeat('00', 784), 'hex')"
            execute(url, f"INSERT INTO drawings VALUES (1, {pixels}, '[0.1]')")
        migrate(url, "downgrade", "-1")
        migrate(url, "upgrade", revision)
        kept = rows(url, "SELECT id, prediction, confidence, model_version FROM predictions ORDER BY id")
        assert kept == [(row, str(row), 0.25, "v1") for row in range(1, number + 1)]
    migrate(url, "downgrade", "base")
    assert rows(url, "SELECT count(*) FROM predictions") == [(3,)]
    migrate(url)
    assert rows(url, "SELECT count(*) FROM predictions") == [(3,)]


def test_downgrade_keeps_what_the_older_table_can_hold(empty_database_url: str) -> None:
    migrate(empty_database_url)
    zone = "+00:00" if engine_name(empty_database_url) == "postgresql" else ""
    execute(
        empty_database_url,
        "INSERT INTO predictions (prediction, confidence, model_version, notes, client, created_at)"
        f" VALUES ('7', 0.94, 'v1', 'smudged', 'school', '2026-03-01 12:30:00.250000{zone}')",
    )
    migrate(empty_database_url, "downgrade", "0002")
    kept = rows(
        empty_database_url,
        "SELECT prediction, confidence, model_version, notes, CAST(created_at AS VARCHAR) FROM predictions",
    )
    assert [(*row[:4], row[4][:22]) for row in kept] == [("7", 0.94, "v1", "smudged", "2026-03-01 12:30:00.25")]


def test_v0_5_database_is_adopted_with_every_row(empty_database_url: str) -> None:
    make_v0_5(empty_database_url)
    assert run(empty_database_url, "alembic upgrade head").returncode == 0
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


def test_confidence_that_is_no_share_is_kept_in_the_notes(empty_database_url: str) -> None:
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
def test_unknown_table_is_refused_and_left_as_it_was(empty_database_url: str, statement: str) -> None:
    execute(empty_database_url, statement)
    before = everything(empty_database_url)
    message = refusal(empty_database_url)
    assert "is not the one of PixelWise 0.5" in message
    assert "id INTEGER" in message
    assert everything(empty_database_url) == before


def test_table_with_a_trigger_is_refused_on_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pixelwise.db'}"
    make_v0_5(url)
    execute(url, "CREATE TRIGGER keep BEFORE DELETE ON predictions BEGIN SELECT RAISE(ABORT, 'kept'); END")
    before = everything(url)
    assert "keep" in refusal(url)
    assert everything(url) == before


def test_database_of_the_optional_part_is_adopted_by_the_command_it_is_told(empty_database_url: str) -> None:
    make_optional_part(empty_database_url)
    before = everything(empty_database_url)
    message = assert_one_line_error(run(empty_database_url, "alembic upgrade head"))
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


def test_v0_5_table_with_a_revision_of_its_own_is_told_the_command(empty_database_url: str) -> None:
    make_optional_part(empty_database_url)
    execute(empty_database_url, "ALTER TABLE predictions DROP COLUMN notes")
    assert refusal(empty_database_url).endswith("run: alembic stamp --purge 0001 && alembic upgrade head")


def test_newer_database_is_left_alone_and_named(empty_database_url: str) -> None:
    migrate(empty_database_url)
    execute(empty_database_url, "UPDATE alembic_version SET version_num = '9999'")
    before = everything(empty_database_url)
    message = refusal(empty_database_url)
    assert "revision 9999" in message
    assert "newer version" in message
    assert everything(empty_database_url) == before


def test_upgrades_at_the_same_time_all_succeed(empty_database_url: str) -> None:
    environment = {"PATH": "/usr/bin:/bin", "DATABASE_URL": empty_database_url}
    upgrades = [
        subprocess.Popen(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=PROJECT_FOLDER,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    results = [(upgrade.communicate(timeout=60)[1], upgrade.returncode) for upgrade in upgrades]
    assert [status for _, status in results] == [0, 0, 0], results
    assert rows(empty_database_url, "SELECT version_num FROM alembic_version") == [(schema_revision(),)]


class InjectedFailure(Exception):
    """Raised by the tests in place of a statement."""


@contextmanager
def failure_at(step: int) -> Iterator[None]:
    """Fail the given statement, counted from one, of whatever connects meanwhile."""
    seen = 0

    def count(*_arguments: object) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            raise InjectedFailure

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_migration_that_fails_at_any_statement_leaves_nothing_and_can_run_again(
    empty_database_url: str, direction: str
) -> None:
    if direction == "upgrade":
        make_v0_5(empty_database_url)
    else:
        migrate(empty_database_url)
        execute(
            empty_database_url,
            "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'v1')",
        )
    before = everything(empty_database_url)
    step, done = 0, False
    while not done:
        step += 1
        try:
            with failure_at(step):
                migrate(empty_database_url, direction, "head" if direction == "upgrade" else "0001")
            done = True
        except InjectedFailure:
            assert everything(empty_database_url) == before, f"statement {step} left something behind"
    # Fewer statements than this would mean that the failures hit something else.
    assert step > 10
    assert everything(empty_database_url) != before


def test_ids_are_not_given_twice_after_an_upgrade(empty_database_url: str) -> None:
    make_v0_5(empty_database_url)
    migrate(empty_database_url)
    execute(empty_database_url, "DELETE FROM predictions WHERE id = 2")
    execute(
        empty_database_url,
        "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('9', 0.5, 'v1')",
    )
    assert rows(empty_database_url, "SELECT id FROM predictions ORDER BY id") == [(1,), (3,)]


def test_new_sqlite_file_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "pixelwise.db"
    migrate(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_existing_sqlite_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "pixelwise.db"
    make_v0_5(f"sqlite:///{path}")
    path.chmod(0o640)
    migrate(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_tables_and_views_of_somebody_else_are_left_alone(empty_database_url: str) -> None:
    make_v0_5(empty_database_url)
    execute(empty_database_url, "CREATE TABLE ledger (id INTEGER PRIMARY KEY)", "INSERT INTO ledger VALUES (5)")
    if engine_name(empty_database_url) == "sqlite":
        execute(empty_database_url, "CREATE VIEW sevens AS SELECT id FROM predictions WHERE prediction = '7'")
    migrate(empty_database_url)
    migrate(empty_database_url, "check")
    assert rows(empty_database_url, "SELECT id FROM ledger") == [(5,)]
    if engine_name(empty_database_url) == "sqlite":
        assert rows(empty_database_url, "SELECT id FROM sevens") == [(1,)]


def test_broken_reference_stops_the_migration(sqlite_url: str) -> None:
    execute(sqlite_url, "INSERT INTO drawings VALUES (99, zeroblob(784), '[]')")
    before = everything(sqlite_url)
    message = refusal(sqlite_url)
    assert "refers to no row of predictions" in message
    assert everything(sqlite_url) == before


def test_revision_of_ones_own_is_numbered_applied_and_taken_back(sqlite_url: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    copy = (
        f"mkdir {project} && cp -r alembic alembic.ini app init_db.py {project}"
        f" && sed -i 's/^    client: .*/&\\n    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)/' {project}/app/models.py"
    )
    assert run(sqlite_url, copy).returncode == 0
    made = run(sqlite_url, 'alembic revision --autogenerate -m "add seen_at"', project)
    assert made.returncode == 0, made.stderr
    number = f"{int(schema_revision()) + 1:04}"
    script = (project / "alembic" / "versions" / f"{number}_add_seen_at.py").read_text()
    assert "sa.Column('seen_at', sa.DateTime(timezone=True), nullable=True)" in script
    assert "app" not in re.findall(r"^(?:from|import) (\w+)", script, re.MULTILINE)
    for command in ("alembic upgrade head", "alembic check", "python init_db.py"):
        done = run(sqlite_url, command, project)
        assert done.returncode == 0, done.stderr
    assert "seen_at" in columns(sqlite_url)
    serves = "from app.db import get_database; print(get_database().schema_problem())"
    assert run(sqlite_url, f'python -c "{serves}"', project).stdout == "None\n"
    assert run(sqlite_url, "alembic downgrade -1", project).returncode == 0
    assert "seen_at" not in columns(sqlite_url)


def columns(url: str) -> list[str]:
    with connected(url) as connection:
        return [column["name"] for column in sa.inspect(connection).get_columns("predictions")]


def test_table_that_is_changed_by_copying_keeps_its_promises(sqlite_url: str, tmp_path: Path) -> None:
    before = statements_by_name(sqlite_path(sqlite_url))
    insert = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'v1')"
    execute(sqlite_url, insert, insert, insert, "DELETE FROM predictions WHERE id = 3")
    execute(sqlite_url, "INSERT INTO drawings VALUES (1, zeroblob(784), '[]')")
    project = tmp_path / "project"
    assert run(sqlite_url, f"mkdir {project} && cp -r alembic alembic.ini app {project}").returncode == 0
    (project / "alembic" / "versions" / "0004_copy.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '0004', '0003'\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('predictions', recreate='always'):\n"
        "        pass\n"
    )
    done = run(sqlite_url, "alembic upgrade head", project)
    assert done.returncode == 0, done.stderr
    assert statements_by_name(sqlite_path(sqlite_url)) == before
    assert rows(sqlite_url, "SELECT prediction_id FROM drawings") == [(1,)]
    execute(sqlite_url, insert)
    assert rows(sqlite_url, "SELECT id FROM predictions") == [(1,), (2,), (4,)]


def test_revisions_import_nothing_of_the_application() -> None:
    for path in (PROJECT_FOLDER / "alembic" / "versions").glob("*.py"):
        assert not re.search(r"^\s*(from|import) app\b", path.read_text(), re.MULTILINE), path


def test_folder_that_does_not_exist_is_named_with_the_url_that_was_meant(tmp_path: Path) -> None:
    url = f"sqlite:///{str(tmp_path)[1:]}/pixelwise.db"
    message = assert_one_line_error(run(url, "alembic upgrade head"))
    assert f"{PROJECT_FOLDER}{tmp_path}" in message
    assert f"sqlite:///{tmp_path}/pixelwise.db" in message


def test_server_that_does_not_answer_is_one_line_without_the_password() -> None:
    done = run("postgresql://user:kept-quiet@127.0.0.1:1/pixelwise", "alembic upgrade head")
    assert "kept-quiet" not in assert_one_line_error(done)


def test_migration_does_not_wait_for_ever_behind_a_transaction(
    empty_postgres_url: str,
) -> None:
    migrate(empty_postgres_url)
    with psycopg.connect(empty_postgres_url) as holder:
        holder.execute("SELECT count(*) FROM predictions")
        message = refusal(empty_postgres_url, "downgrade", "-1")
    assert "lock timeout" in message


@pytest.mark.parametrize("start", ["nothing", "v0.5", "current"])
def test_init_db_makes_upgrades_and_can_be_repeated(empty_database_url: str, start: str) -> None:
    if start == "v0.5":
        make_v0_5(empty_database_url)
    elif start == "current":
        migrate(empty_database_url)
    done = run(empty_database_url, "python init_db.py")
    assert (done.returncode, done.stderr) == (0, "")
    expected = "was up to date already" if start == "current" else "is ready"
    assert done.stdout == f"The database {expected} (revision {schema_revision()}).\n"
    assert rows(empty_database_url, "SELECT count(*) FROM predictions") == [(2 if start == "v0.5" else 0,)]
    migrate(empty_database_url, "check")


def test_init_db_ends_with_one_line_when_it_cannot(tmp_path: Path) -> None:
    assert_one_line_error(run(f"sqlite:///{tmp_path}/missing/pixelwise.db", "python init_db.py"))
    assert_one_line_error(run("mysql://localhost/pixelwise", "python init_db.py"))


def schema_problem(url: str) -> str | None:
    database = Database(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        return database.schema_problem()
    finally:
        database.close()


def test_service_says_what_is_wrong_with_the_schema(empty_database_url: str) -> None:
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


def test_service_needs_no_rights_to_make_a_database(tmp_path: Path) -> None:
    schema_problem(f"sqlite:///{tmp_path / 'pixelwise.db'}")
    assert list(tmp_path.iterdir()) == []
