"""A migration may not break references; only tables that it changes are checked."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.database.sqlite.foreign_keys import BrokenReferences, foreign_keys_checked
from app.database.sqlite.migration_engine import migration_engine, question_engine
from tests.support.sql_statements import executed

ROWS = """
INSERT INTO predictions (id, prediction, confidence, model_version) VALUES (1, '7', 0.9, 'v1'), (2, '1', 0.9, 'v1');
INSERT INTO drawings VALUES (1, zeroblob(784), '[]', NULL);
INSERT INTO labels (prediction_id, label) VALUES (2, '1');
CREATE TABLE colours (id INTEGER PRIMARY KEY, name VARCHAR);
"""
# As a DELETE with `sqlite3` leaves behind.
ORPHAN = "INSERT INTO drawings VALUES (99, zeroblob(784), '[]', NULL)"


@pytest.fixture(params=["delete", "wal"])
def file(request: pytest.FixtureRequest, migrated_sqlite_file: Path, tmp_path: Path) -> Path:
    """A database with rows, in each of SQLite's usual journal modes."""
    path = Path(shutil.copy(migrated_sqlite_file, tmp_path / "pixelwise.db"))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA journal_mode={request.param}; {ROWS}")
    return path


def change(file: Path, *statements: str) -> list[str]:
    """Execute the statements as a migration; return the tables whose references were checked."""
    url = sa.make_url(f"sqlite:///{file}")
    committed = question_engine(url).connect
    with executed() as seen, migration_engine(url).begin() as connection, foreign_keys_checked(connection, committed):
        for statement in statements:
            connection.exec_driver_sql(statement)
    return sorted(str(one.values[0]) for one in seen if "pragma_foreign_key_check" in one.text)


@pytest.mark.parametrize(
    "statements",
    [
        "DELETE FROM predictions WHERE id = 1",
        "UPDATE predictions SET id = 3 WHERE id = 1",
        "UPDATE predictions SET rowid = 3 WHERE id = 1",
        "UPDATE drawings SET prediction_id = 3",
        "INSERT INTO drawings VALUES (3, zeroblob(784), '[]', NULL)",
        "DROP TABLE predictions",
        "ALTER TABLE predictions RENAME TO older_predictions",
        "CREATE TABLE copies AS SELECT * FROM predictions\n"
        "DROP TABLE predictions\nALTER TABLE copies RENAME TO predictions",
        "CREATE TABLE tones (id INTEGER PRIMARY KEY, colour INTEGER REFERENCES COLOURS (id))\n"
        "INSERT INTO tones VALUES (1, 5)",
        "CREATE TRIGGER t AFTER UPDATE ON predictions BEGIN DELETE FROM predictions; END\n"
        "UPDATE predictions SET notes = ''",
    ],
)
def test_change_that_breaks_a_reference_is_refused(file: Path, statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        before = list(connection.iterdump())
    with pytest.raises((BrokenReferences, sa.exc.OperationalError)):
        change(file, *statements.split("\n"))
    with closing(sqlite3.connect(file)) as connection:
        assert list(connection.iterdump()) == before


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("ALTER TABLE predictions ADD COLUMN mood VARCHAR", []),
        ("CREATE INDEX ix_mood ON predictions (notes)", []),
        ("UPDATE predictions SET notes = 'seen'", []),
        # A trigger changes the queue.
        ("UPDATE drawings SET margin = 0.5", ["review_queue"]),
        ("INSERT INTO colours VALUES (1, 'red')", []),
        ("DELETE FROM labels", ["labels", "review_queue"]),
        ("INSERT INTO predictions (id, prediction, confidence, model_version) VALUES (5, '7', 0.9, 'v1')", None),
    ],
)
def test_only_tables_whose_references_may_change_are_checked(
    file: Path, statement: str, tables: list[str] | None
) -> None:
    with closing(sqlite3.connect(file)) as connection:
        in_wal_mode = connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    all_children = ["drawings", "labels", "review_queue", "reviews", "shadow_predictions"]
    expected = all_children if tables is None else tables
    # Without a WAL the state before must be read first.
    assert change(file, statement) == sorted(expected + ([] if in_wal_mode else all_children))


def test_references_that_were_broken_before_are_ignored(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(ORPHAN)
    change(file, "DELETE FROM predictions WHERE id = 5", "UPDATE drawings SET prediction_id = prediction_id")
    with pytest.raises(BrokenReferences, match="would leave 1 rows in drawings that refer to missing rows in predict"):
        change(file, "DELETE FROM predictions WHERE id = 1")
