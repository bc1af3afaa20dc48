"""The service uses only tables that have what it needs."""

import pytest

from app.database.schema_version import schema_revision
from tests.support.command_line import done, refused, run
from tests.support.databases import migrate
from tests.support.http_fixtures import Start
from tests.support.old_databases import execute, schema_problem


def test_stamped_empty_database_is_not_ready_and_the_remedy_works(
    settings_environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    migrate(empty_database_url, "stamp", "head")
    settings_environment.setenv("DATABASE_URL", empty_database_url)
    problem = schema_problem(empty_database_url) or ""
    assert problem.startswith("the table predictions is missing")
    assert problem.endswith("run: alembic stamp base && alembic upgrade head")
    assert f"schema    {problem}" in run("check").out
    for command in ("upgrade", "results"):
        assert refused(3, command) == problem
    migrate(empty_database_url, "stamp", "base")
    done("upgrade")
    assert schema_problem(empty_database_url) is None


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DROP TABLE idempotency_keys", "the table idempotency_keys is missing"),
        ("ALTER TABLE predictions DROP COLUMN client", "the table predictions has no column client"),
        ("ALTER TABLE drawings RENAME COLUMN scores TO points", "the table drawings has no column scores"),
    ],
)
def test_missing_part_is_named(empty_database_url: str, statement: str, expected: str) -> None:
    migrate(empty_database_url)
    views = ("DROP VIEW v_accuracy_by_version", "DROP VIEW v_results", "DROP INDEX ix_predictions_with_notes")
    execute(empty_database_url, *views, statement)
    assert (schema_problem(empty_database_url) or "").startswith(expected)


def test_column_of_another_type_is_named(empty_database_url: str) -> None:
    migrate(empty_database_url)
    execute(
        empty_database_url,
        "DROP TABLE idempotency_keys",
        "CREATE TABLE idempotency_keys (client INTEGER, key VARCHAR, request_sha256 VARCHAR, response VARCHAR,"
        " created_at TIMESTAMP, PRIMARY KEY (client, key))",
    )
    assert "the column idempotency_keys.client has the type INTEGER" in (schema_problem(empty_database_url) or "")


def test_more_tables_and_columns_are_no_problem(empty_database_url: str) -> None:
    migrate(empty_database_url)
    execute(empty_database_url, "ALTER TABLE predictions ADD COLUMN mood VARCHAR", "CREATE TABLE colours (id INTEGER)")
    assert schema_problem(empty_database_url) is None


def test_database_at_two_revisions_is_refused(empty_database_url: str) -> None:
    migrate(empty_database_url)
    execute(empty_database_url, "INSERT INTO alembic_version VALUES ('9999')")
    assert f"at revisions {schema_revision()} and 9999" in (schema_problem(empty_database_url) or "")


def test_running_service_stops_being_ready_without_a_table(start: Start, empty_database_url: str) -> None:
    migrate(empty_database_url)
    client = start(DATABASE_URL=empty_database_url)
    execute(empty_database_url, "DROP TABLE idempotency_keys")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "the table idempotency_keys is missing" in answer.json()["checks"]["schema"]
