"""Locks of the PostgreSQL migrations: squawk checks their SQL."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
import sqlalchemy as sa

from tests.support.databases import migrate
from tests.support.old_databases import make_v0_5, refusal, rows

SQUAWK = str(Path(sys.prefix) / "bin" / "squawk")


class Finding(NamedTuple):
    """A rule of squawk, and the statement that breaks it."""

    rule: str
    statement: str


# Rules that all revisions may break, and why.
EXCLUDED = {
    "prefer-robust-stmts": "a revision is one transaction; a test breaks off the one that is not at each statement",
    "prefer-bigint-over-int": "the ids are those of version 0.5; two billion are enough for one table",
    "prefer-identity": "the same: PostgreSQL's sequence as version 0.5 has it",
}
# Statements that may break a rule.
JUSTIFIED = {
    Finding(
        "changing-column-type", "ALTER TABLE predictions ALTER COLUMN created_at TYPE TIMESTAMP WITH TIME ZONE"
    ): "in the zone UTC no row is written anew, which a test looks at; version 0.5 reads and writes both types",
    Finding(
        "constraint-missing-not-valid",
        "ALTER TABLE predictions ADD CONSTRAINT ck_predictions_confidence CHECK (confidence >= 0 AND confidence <= 1)",
    ): "the table of version 0.5 is read once, a fraction of a second for a million rows",
    Finding(
        "ban-drop-function",
        "DROP FUNCTION note_shadow_prediction(integer, text, text, text, double precision, integer)",
    ): "only the trigger before called it, which is replaced in the same transaction",
    Finding(
        "ban-drop-constraint",
        "ALTER TABLE drawings DROP CONSTRAINT ck_drawings_pixels,"
        " ADD CONSTRAINT ck_drawings_pixels CHECK (length(pixels) BETWEEN 98 AND 784) NOT VALID",
    ): "the new check, in the same statement, accepts what the old one does",
}


@contextmanager
def recorded() -> Iterator[dict[int, list[str]]]:
    """Statements and transaction borders of connections opened meanwhile."""
    statements: dict[int, list[str]] = {}

    def add(connection: sa.Connection, statement: str) -> None:
        statements.setdefault(id(connection.connection.dbapi_connection), []).append(" ".join(statement.split()))

    def execute(connection: sa.Connection, _cursor: object, statement: str, *_rest: object) -> None:
        add(connection, statement)

    def border(word: str) -> Any:
        def mark(connection: sa.Connection) -> None:
            dbapi_connection = connection.connection.dbapi_connection
            if not getattr(dbapi_connection, "autocommit", False):
                add(connection, word)

        return mark

    borders = {"begin": "BEGIN", "commit": "COMMIT", "rollback": "ROLLBACK"}
    listeners = [("before_cursor_execute", execute), *((name, border(word)) for name, word in borders.items())]
    for name, listener in listeners:
        sa.event.listen(sa.Engine, name, listener)
    try:
        yield statements
    finally:
        for name, listener in listeners:
            sa.event.remove(sa.Engine, name, listener)


def squawk(statements: list[str], folder: Path) -> set[Finding]:
    """Return squawk's findings, without statements on rows and Alembic's own."""
    lines = [
        statement
        for statement in statements
        if not statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "LOCK"))
        and "alembic_version" not in statement
    ]
    path = folder / "migration.sql"
    path.write_text("".join(f"{line};\n" for line in lines))
    command = [SQUAWK, "--reporter", "json", "--pg-version", "15.0", "--exclude", ",".join(EXCLUDED), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return {Finding(found["rule_name"], lines[found["line"]]) for found in json.loads(done.stdout)}


@pytest.fixture
def upgraded_postgres(empty_postgres_url: str) -> dict[int, list[str]]:
    """The statements of an upgrade from version 0.5 to the newest revision."""
    make_v0_5(empty_postgres_url)
    with recorded() as statements:
        migrate(empty_postgres_url)
    return statements


def test_squawk_reports_only_accepted_findings(upgraded_postgres: dict[int, list[str]], tmp_path: Path) -> None:
    findings = set().union(*(squawk(statements, tmp_path) for statements in upgraded_postgres.values()))
    assert findings == set(JUSTIFIED)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE INDEX ix_predictions_client ON predictions (client)", "require-concurrent-index-creation"),
        ("ALTER TABLE predictions ALTER COLUMN client SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TABLE predictions DROP COLUMN client", "ban-drop-column"),
        ("ALTER TABLE predictions RENAME COLUMN client TO caller", "renaming-column"),
    ],
)
def test_squawk_reports_statements_that_block_others(statement: str, rule: str, tmp_path: Path) -> None:
    assert Finding(rule, statement) in squawk(["BEGIN", statement, "COMMIT"], tmp_path)


# Other statements on a table lock out requests, which queue even behind one that only waits.
LOCKS_NOBODY_OUT = re.compile(
    r"SELECT |CREATE INDEX CONCURRENTLY |DROP INDEX CONCURRENTLY |CREATE EXTENSION |ALTER TABLE \w+ VALIDATE CONSTRAINT"
)


def outside_transactions(statements: list[str]) -> list[str]:
    inside, found = False, []
    for statement in statements:
        if statement in ("BEGIN", "COMMIT", "ROLLBACK"):
            inside = statement == "BEGIN"
        elif not inside:
            found.append(statement)
    return found


def test_statement_outside_a_transaction_locks_nobody_out(empty_postgres_url: str) -> None:
    with recorded() as statements:
        migrate(empty_postgres_url)
        migrate(empty_postgres_url, "downgrade", "base")
    # Only a transaction has the migration's lock_timeout.
    found = [statement for one in statements.values() for statement in outside_transactions(one)]
    assert sum("CONCURRENTLY" in statement for statement in found) > 10
    assert [statement for statement in found if not LOCKS_NOBODY_OUT.match(statement)] == []


@pytest.mark.parametrize(
    ("start", "command", "held"),
    [
        ("0010", ("upgrade", "0011"), "DELETE FROM labels WHERE id = -1"),
        ("0013", ("upgrade", "0014"), "UPDATE predictions SET notes = 'x' WHERE id = -1"),
        ("0014", ("upgrade", "0015"), "SELECT count(*) FROM unlabelled_drawings"),
        ("0015", ("downgrade", "0014"), "SELECT count(*) FROM predictions"),
        ("0014", ("downgrade", "0013"), "SELECT count(*) FROM predictions"),
        ("0011", ("downgrade", "0010"), "SELECT count(*) FROM predictions"),
        ("0010", ("downgrade", "0009"), "SELECT count(*) FROM predictions"),
    ],
)
def test_migration_gives_up_soon_when_another_client_holds_a_table(
    empty_postgres_url: str, start: str, command: tuple[str, str], held: str
) -> None:
    make_v0_5(empty_postgres_url)
    migrate(empty_postgres_url, "upgrade", start)
    client = psycopg.connect(empty_postgres_url)
    try:
        # A migration that does not give up goes on when the server ends this transaction.
        client.execute("SET idle_in_transaction_session_timeout = '20s'")
        client.execute(held)
        assert "lock timeout" in refusal(empty_postgres_url, *command)
    finally:
        client.close()
    migrate(empty_postgres_url, *command)


def test_adoption_of_version_0_5_rewrites_no_table(empty_postgres_url: str) -> None:
    make_v0_5(empty_postgres_url)
    file = "SELECT pg_relation_filenode('predictions'), pg_relation_filenode('predictions_pkey')"
    before = rows(empty_postgres_url, file)
    migrate(empty_postgres_url)
    assert rows(empty_postgres_url, file) == before
