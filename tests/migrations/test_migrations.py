"""Migrations: every step on both engines, and concurrent upgrades."""

import re
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.config import PROJECT_FOLDER
from app.database.schema_version import schema_revision
from app.models import Base
from tests.support.databases import migrate
from tests.support.old_databases import (
    assert_one_line_error,
    connected,
    copy_of_project,
    engine_name,
    everything,
    execute,
    make_v0_5,
    next_release,
    refusal,
    rows,
    run,
    sqlite_path,
    statements_by_name,
)

REVISIONS = ["0001", "0002", "0003", "0004", "0005"]


def test_migrations_have_one_head_and_no_branch() -> None:
    scripts = ScriptDirectory.from_config(Config(PROJECT_FOLDER / "alembic.ini"))
    assert [script.revision for script in scripts.walk_revisions()][::-1] == REVISIONS
    assert scripts.get_heads() == [schema_revision()]


def test_migrated_tables_equal_the_models(database_url: str) -> None:
    migrate(database_url, "check")


def test_check_notices_a_column_without_a_migration(empty_database_url: str) -> None:
    migrate(empty_database_url)
    execute(empty_database_url, "ALTER TABLE predictions ADD COLUMN undeclared INTEGER")
    done = run(empty_database_url, "alembic check")
    assert done.returncode != 0
    assert "undeclared" in done.stderr + done.stdout


def test_migrated_sqlite_schema_equals_create_all(sqlite_url: str, tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()
    created = statements_by_name(tmp_path / "created.db")
    migrated = statements_by_name(sqlite_path(sqlite_url))
    # Views are not in the models.
    assert {name: sql for name, sql in migrated.items() if not name.startswith("v_")} == created
    assert set(migrated) - set(created) == {"v_results", "v_accuracy_by_version"}
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
    assert rows(url, "SELECT count(*) FROM predictions") == [(len(REVISIONS),)]
    migrate(url)
    assert rows(url, "SELECT count(*) FROM predictions") == [(len(REVISIONS),)]


def test_margins_of_older_drawings_are_computed_from_their_scores(empty_database_url: str) -> None:
    url = empty_database_url
    migrate(url, "upgrade", "0003")
    pixels = "zeroblob(784)" if engine_name(url) == "sqlite" else "decode(repeat('00', 784), 'hex')"
    scores = [
        "[0.125, 0.0, 0.625, 0.25]",
        "[1e-7, 1.0, 0]",
        "[0.5, 0.5]",
        "[1]",
        "[]",
        "null",
        '{"7": 1}',
        '["a", null, 0.5, 0.25]',
    ]
    for number, text in enumerate(scores, start=1):
        execute(url, "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 1, 'v1')")
        # A colon would start a parameter.
        escaped = text.replace(":", "\\:")
        execute(url, f"INSERT INTO drawings VALUES ({number}, {pixels}, '{escaped}')")
    migrate(url)
    margins = [margin for (margin,) in rows(url, "SELECT margin FROM drawings ORDER BY prediction_id")]
    assert margins == [0.375, pytest.approx(1 - 1e-7), 0.0, None, None, None, None, 0.25]


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


@pytest.mark.slow
def test_concurrent_upgrades_all_succeed(empty_database_url: str) -> None:
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


def test_ids_are_not_reused_after_an_upgrade(empty_database_url: str) -> None:
    make_v0_5(empty_database_url)
    migrate(empty_database_url)
    execute(empty_database_url, "DELETE FROM predictions WHERE id = 2")
    execute(
        empty_database_url,
        "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('9', 0.5, 'v1')",
    )
    assert rows(empty_database_url, "SELECT id FROM predictions ORDER BY id") == [(1,), (3,)]


def test_new_sqlite_file_is_private_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "pixelwise.db"
    migrate(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_existing_sqlite_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "pixelwise.db"
    make_v0_5(f"sqlite:///{path}")
    path.chmod(0o640)
    migrate(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_foreign_tables_and_views_are_unchanged(empty_database_url: str) -> None:
    make_v0_5(empty_database_url)
    execute(empty_database_url, "CREATE TABLE ledger (id INTEGER PRIMARY KEY)", "INSERT INTO ledger VALUES (5)")
    if engine_name(empty_database_url) == "sqlite":
        execute(empty_database_url, "CREATE VIEW sevens AS SELECT id FROM predictions WHERE prediction = '7'")
    migrate(empty_database_url)
    migrate(empty_database_url, "check")
    assert rows(empty_database_url, "SELECT id FROM ledger") == [(5,)]
    if engine_name(empty_database_url) == "sqlite":
        assert rows(empty_database_url, "SELECT id FROM sevens") == [(1,)]


def test_migration_that_breaks_references_is_rolled_back(sqlite_url: str, tmp_path: Path) -> None:
    execute(
        sqlite_url,
        "INSERT INTO predictions (id, prediction, confidence, model_version) VALUES (1, '7', 0.94, 'v1')",
        "INSERT INTO drawings VALUES (1, zeroblob(784), '[]', NULL)",
        # As a DELETE with `sqlite3` leaves behind.
        "INSERT INTO drawings VALUES (99, zeroblob(784), '[]', NULL)",
    )
    project = next_release(tmp_path)
    (revision,) = project.glob("alembic/versions/*_seen_at.py")
    harmless = revision.read_text()
    revision.write_text(harmless.replace("def upgrade():", 'def upgrade():\n    op.execute("DELETE FROM predictions")'))
    before = everything(sqlite_url)
    message = assert_one_line_error(run(sqlite_url, "alembic upgrade head", project))
    assert "would leave 1 rows in drawings that refer to missing rows in predictions" in message
    assert everything(sqlite_url) == before
    revision.write_text(harmless)
    assert run(sqlite_url, "alembic upgrade head", project).returncode == 0


@pytest.mark.parametrize("left", ["pixelwise.db-wal", "pixelwise.db.before-20261120T101500.000000Z"])
def test_lost_database_is_not_recreated(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"rows")
    message = refusal(f"sqlite:///{tmp_path / 'pixelwise.db'}")
    assert str(tmp_path / left) in message
    assert [path.name for path in tmp_path.iterdir()] == [left]


@pytest.mark.slow
def test_new_revision_is_numbered_applied_and_reverted(sqlite_url: str, tmp_path: Path) -> None:
    project = copy_of_project(tmp_path)
    models = project / "app" / "models.py"
    last_column = "    client: Mapped[str | None]\n"
    new_column = "    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)\n"
    models.write_text(models.read_text().replace(last_column, last_column + new_column))
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
    serves = "from app.database import get_database; print(get_database().schema_problem())"
    assert run(sqlite_url, f'python -c "{serves}"', project).stdout == "None\n"
    assert run(sqlite_url, "alembic downgrade -1", project).returncode == 0
    assert "seen_at" not in columns(sqlite_url)


def columns(url: str) -> list[str]:
    with connected(url) as connection:
        return [column["name"] for column in sa.inspect(connection).get_columns("predictions")]


def test_batch_migration_keeps_constraints_and_autoincrement(sqlite_url: str, tmp_path: Path) -> None:
    before = statements_by_name(sqlite_path(sqlite_url))
    insert = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'v1')"
    execute(sqlite_url, insert, insert, insert, "DELETE FROM predictions WHERE id = 3")
    execute(sqlite_url, "INSERT INTO drawings VALUES (1, zeroblob(784), '[]', NULL)")
    execute(sqlite_url, "INSERT INTO labels (prediction_id, label) VALUES (1, '1')")
    project = copy_of_project(tmp_path)
    (project / "alembic" / "versions" / "0006_copy.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '0006', '0005'\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('predictions', recreate='always'):\n"
        "        pass\n"
    )
    done = run(sqlite_url, "alembic upgrade head", project)
    assert done.returncode == 0, done.stderr
    assert statements_by_name(sqlite_path(sqlite_url)) == before
    assert rows(sqlite_url, "SELECT prediction_id FROM drawings") == [(1,)]
    assert rows(sqlite_url, "SELECT id, label FROM v_results ORDER BY id") == [(1, "1"), (2, None)]
    execute(sqlite_url, insert)
    assert rows(sqlite_url, "SELECT id FROM predictions") == [(1,), (2,), (4,)]


def test_revisions_import_nothing_of_the_application() -> None:
    for path in (PROJECT_FOLDER / "alembic" / "versions").glob("*.py"):
        assert not re.search(r"^\s*(from|import) app\b", path.read_text(), re.MULTILINE), path


def test_migration_times_out_behind_a_transaction(
    empty_postgres_url: str,
) -> None:
    migrate(empty_postgres_url)
    with psycopg.connect(empty_postgres_url) as holder:
        holder.execute("SELECT count(*) FROM idempotency_keys")
        message = refusal(empty_postgres_url, "downgrade", "-1")
    assert "lock timeout" in message
