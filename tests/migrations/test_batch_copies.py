"""SQLite's tables, copied by Alembic's batch mode."""

import re
from pathlib import Path

from app.database.schema_version import schema_revision
from tests.support.databases import migrate
from tests.support.old_databases import copy_of_project, execute, rows, sqlite_path, statements_by_name


def test_batch_migration_keeps_constraints_autoincrement_and_triggers(sqlite_url: str, tmp_path: Path) -> None:
    before = statements_by_name(sqlite_path(sqlite_url))
    insert = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'v1')"
    execute(sqlite_url, insert, insert, insert, "DELETE FROM predictions WHERE id = 3")
    execute(sqlite_url, "INSERT INTO drawings VALUES (1, zeroblob(784), '[]', NULL)")
    execute(sqlite_url, "INSERT INTO labels (prediction_id, label) VALUES (1, '1')")
    project = copy_of_project(tmp_path)
    number = f"{int(schema_revision()) + 1:04}"
    (project / "alembic" / "versions" / f"{number}_copy.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '{number}', '{schema_revision()}'\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('predictions', recreate='always'):\n"
        "        pass\n"
    )
    migrate(sqlite_url, project=project)
    after = statements_by_name(sqlite_path(sqlite_url))
    # The copy has all checks at its end, in any order.
    check = re.compile(r",? (CONSTRAINT \w+ CHECK \([^()]*\))")
    both = [tables["predictions"] for tables in (before, after)]
    assert len({check.sub("", table) for table in both}) == 1
    assert len({tuple(sorted(check.findall(table))) for table in both}) == 1
    assert after == {**before, "predictions": after["predictions"]}
    assert rows(sqlite_url, "SELECT prediction_id FROM drawings") == [(1,)]
    assert rows(sqlite_url, "SELECT id, label FROM v_results ORDER BY id") == [(1, "1"), (2, None)]
    execute(sqlite_url, insert)
    assert rows(sqlite_url, "SELECT id FROM predictions") == [(1,), (2,), (4,)]
