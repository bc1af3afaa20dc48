"""Upgrades while the service runs: this release on the next tables, and both releases side by side."""

from pathlib import Path

import pytest

from app.database.schema_version import schema_revision
from tests.support.databases import migrate
from tests.support.http_fixtures import Start
from tests.support.old_databases import execute, next_release, prepare, rows, schema_problem
from tests.support.service import DRAWING
from tests.support.service_process import Load, missing, serving

pytestmark = pytest.mark.slow

CLIENTS = 4


def upgrade(project: Path, url: str) -> None:
    migrate(url, project=project)


def step_back(project: Path, url: str) -> None:
    migrate(url, "downgrade", "-1", project=project)


def test_release_is_ready_on_the_tables_of_the_next_release(
    start: Start, empty_database_url: str, tmp_path: Path
) -> None:
    migrate(empty_database_url)
    upgrade(next_release(tmp_path), empty_database_url)
    client = start(DATABASE_URL=empty_database_url.replace("postgresql://", "postgresql+psycopg://"))
    assert client.get("/health/ready").status_code == 200
    assert client.post("/classify", json=DRAWING).status_code == 200
    assert "was already up to date" in prepare(empty_database_url)


def test_running_release_stays_ready_during_upgrade_and_downgrade(
    start: Start, empty_database_url: str, tmp_path: Path
) -> None:
    migrate(empty_database_url)
    client = start(DATABASE_URL=empty_database_url.replace("postgresql://", "postgresql+psycopg://"))
    project = next_release(tmp_path)
    for move in (upgrade, step_back, upgrade):
        move(project, empty_database_url)
        assert client.get("/health/ready").status_code == 200
        assert client.post("/classify", json=DRAWING).status_code == 200


def test_tables_that_need_the_next_release_are_refused(empty_database_url: str, tmp_path: Path) -> None:
    migrate(empty_database_url)
    newer = f"{int(schema_revision()) + 1:04}"
    upgrade(next_release(tmp_path, compatible_since=newer), empty_database_url)
    refused = f"the database is at revision {newer}, newer than this PixelWise ({schema_revision()}); update PixelWise"
    assert schema_problem(empty_database_url) == refused


def test_requirement_of_another_revision_is_ignored(empty_database_url: str, tmp_path: Path) -> None:
    migrate(empty_database_url)
    upgrade(next_release(tmp_path), empty_database_url)
    execute(empty_database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert "revision 9999, newer than this PixelWise" in (schema_problem(empty_database_url) or "")


def test_oldest_working_release_is_the_maximum_over_the_revisions(sqlite_url: str, tmp_path: Path) -> None:
    this, strict, last = (f"{int(schema_revision()) + more:04}" for more in range(3))
    project = next_release(tmp_path, compatible_since=strict)
    (project / "alembic" / "versions" / f"{last}_nothing.py").write_text(
        f'revision, down_revision, compatible_since = "{last}", "{strict}", "{this}"\n'
        "def upgrade(): pass\ndef downgrade(): pass\n"
    )
    upgrade(project, sqlite_url)
    assert rows(sqlite_url, "SELECT revision, compatible_since FROM schema_compatibility") == [(last, strict)]
    step_back(project, sqlite_url)
    step_back(project, sqlite_url)
    ((revision, since),) = rows(sqlite_url, "SELECT revision, compatible_since FROM schema_compatibility")
    assert (revision, since < strict) == (this, True)


def test_no_request_fails_while_the_next_release_takes_over(empty_database_url: str, tmp_path: Path) -> None:
    url = empty_database_url
    migrate(url)
    project = next_release(tmp_path)
    with serving(url, tmp_path) as old, Load(old.port, CLIENTS) as to_old:
        to_old.wait_for(20)
        upgrade(project, url)
        to_old.wait_for(20)
        step_back(project, url)
        upgrade(project, url)
        with serving(url, tmp_path, PYTHONPATH=str(project)) as new, Load(new.port, CLIENTS, seed=1) as to_new:
            to_new.wait_for(20)
            to_old.wait_for(20)
    for load in (to_old, to_new):
        assert load.refused == []
        assert load.broken == []
        assert missing(load.acknowledged, url) == []
