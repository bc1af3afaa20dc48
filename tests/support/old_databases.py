"""Databases of earlier versions, and what the tests ask of a migration."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import init_db
from app.config import PROJECT_FOLDER, get_settings
from app.database import Database
from app.database.schema_version import schema_revision
from tests.support.databases import migrate
from tests.support.service import connected, execute

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


OF_OURS = "relnamespace = CAST('public' AS regnamespace)"
TABLES = f"SELECT relname FROM pg_class WHERE relkind = 'r' AND {OF_OURS} ORDER BY relname"
COLUMNS = (
    "SELECT relname, relkind, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)"
    " FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
    " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
    f" WHERE relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped AND {OF_OURS} ORDER BY relname, attnum"
)
# By their names: a dump writes the same condition in other words.
CONSTRAINTS = (
    "SELECT relname, conname, contype, convalidated"
    f" FROM pg_constraint JOIN pg_class ON conrelid = pg_class.oid WHERE {OF_OURS} ORDER BY relname, conname"
)
INDEXES = (
    "SELECT relname, indisunique, indisvalid"
    f" FROM pg_index JOIN pg_class ON indexrelid = pg_class.oid WHERE {OF_OURS} ORDER BY relname"
)
TRIGGERS = (
    "SELECT relname, tgname FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid"
    f" WHERE NOT tgisinternal AND {OF_OURS} ORDER BY relname, tgname"
)
# Not part of everything(): a dump writes the same view in other words.
VIEWS = f"SELECT relname, pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND {OF_OURS} ORDER BY relname"

# A revision that a later release could bring, and a release that needs it.
EXPANSION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{revision}", "{before}"
compatible_since = "{since}"


def upgrade():
    op.add_column("predictions", sa.Column("seen_at", sa.DateTime(timezone=True)))
    if op.get_bind().dialect.name == "postgresql":
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY ix_predictions_seen_at ON predictions (seen_at)")
    else:
        op.execute("CREATE INDEX ix_predictions_seen_at ON predictions (seen_at)")


def downgrade():
    op.drop_index("ix_predictions_seen_at")
    op.drop_column("predictions", "seen_at")
"""


def copy_of_project(folder: Path) -> Path:
    """What a release consists of, in a folder of its own, to be changed."""
    project = folder / "project"
    project.mkdir()
    for part in ("alembic", "app", "models"):
        shutil.copytree(PROJECT_FOLDER / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("alembic.ini", "init_db.py"):
        shutil.copy(PROJECT_FOLDER / part, project)
    return project


def next_release(folder: Path, *, compatible_since: str | None = None) -> Path:
    """Make a project whose newest revision is one that this release does not know; by default this one works on it."""
    project = copy_of_project(folder)
    before = schema_revision()
    revision = f"{int(before) + 1:04}"
    text = EXPANSION.format(revision=revision, before=before, since=compatible_since or before)
    (project / "alembic" / "versions" / f"{revision}_seen_at.py").write_text(text)
    return project


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """The rows that a query finds."""
    with connected(url) as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def engine_name(url: str) -> str:
    """`sqlite` or `postgresql`."""
    return "sqlite" if url.startswith("sqlite") else "postgresql"


def sqlite_path(url: str) -> Path:
    """The file of an SQLite database."""
    return Path(url.removeprefix("sqlite:///"))


def everything(url: str) -> object:
    """The schema and every row: what must not change when a migration is refused or fails."""
    if engine_name(url) == "sqlite":
        if not sqlite_path(url).exists():
            return []
        connection = sqlite3.connect(sqlite_path(url))
        dump = list(connection.iterdump())
        connection.close()
        return dump
    # SQLAlchemy needs far more statements to inspect the schema, and some tests do it hundreds of times.
    with connected(url) as connection:
        catalogue = [connection.execute(sa.text(query)).all() for query in (COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS)]
        tables = connection.scalars(sa.text(TABLES)).all()
        rows_of_all = " UNION ALL ".join(
            f"SELECT '{table}', CAST(found AS text) FROM \"{table}\" found" for table in tables
        )
        content = connection.execute(sa.text(rows_of_all)).all() if tables else []
        return tables, content, catalogue


def make_v0_5(url: str) -> None:
    """Make the table of version 0.5, with two rows."""
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
    """Check that a command failed with one line; return it."""
    assert done.returncode == 1, done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith("INFO ")]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith("pixelwise: ")
    return errors[0]


def refusal(url: str, *arguments: str, project: Path = PROJECT_FOLDER) -> str:
    """Run a migration that must be refused; return what it says."""
    with pytest.raises(SystemExit) as refused:
        migrate(url, *arguments, project=project)
    return one_line(refused.value)


def one_line(refused: SystemExit) -> str:
    """Check that a program ends with one line; return it."""
    message = str(refused)
    assert message.startswith("pixelwise: ")
    assert "\n" not in message
    return message


def prepare(url: str) -> str:
    """Run `init_db.py`; return what it prints."""
    out = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setenv("DATABASE_URL", url)
        get_settings.cache_clear()
        try:
            init_db.main([])
        finally:
            get_settings.cache_clear()
    return out.getvalue()


def schema_problem(url: str) -> str | None:
    """What this release says of the database at its start; None when it finds nothing wrong."""
    database = Database(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        return database.schema_problem()
    finally:
        database.close()


def statements_by_name(path: Path) -> dict[str, str]:
    """The SQL of every table and index of an SQLite file, written alike."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {
        name: " ".join(sql.replace('"', "").replace("(CURRENT_TIMESTAMP)", "CURRENT_TIMESTAMP").split())
        for name, sql in found
        if name not in ("alembic_version", "schema_compatibility", "sqlite_sequence")
    }
