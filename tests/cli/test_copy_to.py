"""`python -m app copy-to`: from SQLite to PostgreSQL."""

import json
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from app.cli.exit_codes import ExitCode
from app.database import Database
from app.progress import no_progress
from app.services.copy_to import SourceChanged, copy_to
from tests.support.command_line import done, in_terminal, refused, run_process
from tests.support.ports import free_port
from tests.support.service import connected, execute, rows
from tests.support.service_process import drawing, serving
from tests.support.stored_rows import random_rows, store
from tests.support.waiting import wait_until

ROWS = random_rows(300)
NO_TIMES = (
    "'20.11.2026 10:00'",
    "1764000000",
    "'yesterday'",
    "'2026-02-30 10:00:00'",
    "'2026-11-20 10:00:00.5 or so'",
    "'2026-11-20 10:00:00 '",
    "''",
)
TABLES = ("predictions", "drawings", "labels", "reviews")


def row_counts(url: str) -> dict[str, int]:
    return {name: int(rows(url, f"SELECT count(*) AS n FROM {name}")[0]["n"]) for name in TABLES}


@pytest.fixture
def filled(configured_sqlite: str) -> str:
    """An SQLite database with all kinds of rows; the newest prediction was deleted."""
    store(configured_sqlite, ROWS, drawings=True)
    execute(
        configured_sqlite,
        "DELETE FROM drawings WHERE prediction_id = 300",
        "DELETE FROM labels WHERE prediction_id = 300",
        "DELETE FROM reviews WHERE prediction_id = 300",
        "DELETE FROM predictions WHERE id = 300",
        "INSERT INTO idempotency_keys VALUES ('Änne', 'key', 'x', '[]', '2026-11-20 10:00:00.000000')",
    )
    return configured_sqlite


def test_all_rows_are_copied_and_the_service_continues_with_the_next_id(
    filled: str, postgres_url: str, tmp_path: Path
) -> None:
    copied = json.loads(done("copy-to", postgres_url, "--json"))["tables"]
    assert row_counts(postgres_url) == row_counts(filled) == {name: copied[name]["rows"] for name in TABLES}
    query = "SELECT id, prediction, confidence, model_version, notes, request_id FROM predictions ORDER BY id"
    assert rows(postgres_url, query) == rows(filled, query)
    query = "SELECT id, prediction_id, label, source FROM labels ORDER BY id"
    assert rows(postgres_url, query) == rows(filled, query)
    query = "SELECT prediction_id, pixels FROM drawings ORDER BY prediction_id"
    assert rows(postgres_url, query) == rows(filled, query)
    query = "SELECT max(created_at) AS last FROM predictions"
    (last,) = rows(postgres_url, query)
    assert rows(filled, query)[0]["last"] == f"{last['last'].astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
    with serving(postgres_url, tmp_path) as service, service.client() as client:
        # The id of the deleted row is not used again.
        assert client.classify(drawing(Random(1))).json()["id"] == 301


def test_keys_and_audit_log_are_copied(filled: str, postgres_url: str) -> None:
    execute(
        filled,
        "INSERT INTO api_keys (id, name, prefix, sha256, scopes, created_at)"
        " VALUES (3, 'phone', 'pw_abc', 'aa', 'classify read', '2026-11-20 10:00:00.000000')",
        "INSERT INTO audit_log VALUES (5, '2026-11-20 10:00:00.000000', 'phone', 'label', 'prediction 17', 'x')",
    )
    done("copy-to", postgres_url)
    for query in (
        "SELECT id, name, sha256, scopes, expires_at FROM api_keys",
        'SELECT id, "key", action, record, request_id FROM audit_log',
    ):
        assert rows(postgres_url, query) == rows(filled, query) != []


def test_labels_are_copied_without_reading_all_earlier_ones_for_each(filled: str, postgres_url: str) -> None:
    # PostgreSQL then knows that the table is empty, and plans to read all of it.
    execute(postgres_url, "ANALYZE labels")
    done("copy-to", postgres_url)
    statement = "SELECT seq_tup_read, idx_scan FROM pg_stat_user_tables WHERE relname = 'labels'"
    labels = row_counts(postgres_url)["labels"]
    wait_until(lambda: rows(postgres_url, statement)[0]["idx_scan"] >= labels, "the statistics of the table")
    assert rows(postgres_url, statement)[0]["seq_tup_read"] < 10 * labels


@pytest.mark.parametrize("written", NO_TIMES)
def test_value_that_is_not_a_time_is_refused_before_the_copy(filled: str, postgres_url: str, written: str) -> None:
    execute(
        filled,
        f"UPDATE predictions SET created_at = {written} WHERE id = 7",
        "UPDATE predictions SET created_at = '2026-10-27 23:59:59.999999' WHERE id = 8",
        "UPDATE predictions SET created_at = '2026-10-27T12:00:00Z' WHERE id = 9",
    )
    message = refused(ExitCode.FAILURE, "copy-to", postgres_url)
    assert "1 row of predictions has a created_at that is not a time" in message
    assert set(row_counts(postgres_url).values()) == {0}


@pytest.mark.parametrize("then", ["", "DELETE FROM predictions WHERE id = 2147483648"])
def test_id_that_postgresql_cannot_store_is_refused_before_the_copy(filled: str, postgres_url: str, then: str) -> None:
    execute(
        filled,
        "INSERT INTO predictions (id, prediction, confidence, model_version) VALUES (2147483648, '7', 0.5, 'v1')",
        *filter(None, [then]),
    )
    message = refused(ExitCode.FAILURE, "copy-to", postgres_url)
    assert message == "the last id of predictions is 2147483648; on PostgreSQL ids end at 2147483647"
    assert set(row_counts(postgres_url).values()) == {0}


@contextmanager
def blocked_at(postgres_url: str, prediction_id: int) -> Iterator[None]:
    """Make copying wait at this prediction: another transaction holds its id without a commit."""
    with connected(postgres_url) as other:
        transaction = other.get_transaction()
        assert transaction is not None
        other.execute(
            sa.text("INSERT INTO predictions (id, prediction, confidence, model_version) VALUES (:id, '7', 0.5, 'v1')"),
            {"id": prediction_id},
        )
        try:
            yield
        finally:
            transaction.rollback()


def test_interrupted_copy_continues(sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    store(sqlite_url, random_rows(10_000))
    settings = {"DATABASE_URL": sqlite_url}
    with (
        blocked_at(postgres_url, 5500),
        in_terminal(tmp_path, "copy-to", postgres_url, settings=settings) as terminal,
    ):
        wait_until(lambda: row_counts(postgres_url)["predictions"] > 0, "some rows are copied")
        # The lock timeout of two seconds may have ended it before.
        assert terminal.interrupt() in (ExitCode.INTERRUPTED, -signal.SIGINT, ExitCode.UNAVAILABLE)
    before = row_counts(postgres_url)
    assert 0 < before["predictions"] < 5500
    with in_terminal(tmp_path, "copy-to", postgres_url, "--json", settings=settings) as terminal:
        assert terminal.end() == 0
    tables = json.loads(terminal.shown[terminal.shown.index('{"tables"') :].partition("\n")[0])["tables"]
    assert {name: tables[name]["resumed"] for name in TABLES} == before
    assert row_counts(postgres_url) == row_counts(sqlite_url)


def test_lost_connection_prints_one_line(sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    store(sqlite_url, random_rows(100))
    copying = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY %'"
    with blocked_at(postgres_url, 50), ThreadPoolExecutor(1) as executor:
        outcome = executor.submit(run_process, tmp_path, "copy-to", postgres_url, DATABASE_URL=sqlite_url)
        wait_until(lambda: rows(postgres_url, f"SELECT pg_terminate_backend(pid) {copying}"), "it copies")
        ended = outcome.result()
    assert ended.status == ExitCode.UNAVAILABLE
    assert ended.err.startswith("pixelwise: ")
    assert ended.err.count("\n") == 1
    assert row_counts(postgres_url)["predictions"] == 0


@pytest.mark.parametrize(("column", "kind"), [("scores", "json"), ("margin", "double precision")])
def test_error_does_not_quote_the_refused_value(filled: str, postgres_url: str, column: str, kind: str) -> None:
    execute(filled, f"UPDATE drawings SET {column} = 'a secret' WHERE prediction_id = 7")
    message = refused(ExitCode.UNAVAILABLE, "copy-to", postgres_url)
    assert message == f"drawings: invalid input syntax for type {kind}"


def test_text_is_copied_unchanged(filled: str, postgres_url: str) -> None:
    """Text that COPY would interpret, and JSON numbers in unusual notation."""
    scores = "[1, 1e-3,0.1000, 0,0,0,0,0,0,0 ]"
    execute(filled, f"UPDATE drawings SET scores = '{scores}' WHERE prediction_id = 7")
    notes = "\\N \\. \t tab\n\\\\x41 line\r end \\"
    with connected(filled) as connection:
        connection.execute(sa.text("UPDATE predictions SET notes = :notes WHERE id = 7"), {"notes": notes})
        connection.execute(sa.text("UPDATE predictions SET notes = '' WHERE id = 8"))
    done("copy-to", postgres_url)
    query = "SELECT notes FROM predictions WHERE id IN (7, 8) ORDER BY id"
    assert rows(postgres_url, query) == [{"notes": notes}, {"notes": ""}]
    query = "SELECT CAST(scores AS text) AS scores FROM drawings WHERE prediction_id = 7"
    assert rows(postgres_url, query) == [{"scores": scores}]


def test_rows_that_refer_to_deleted_rows_are_reported_with_the_statement_to_delete_them(
    filled: str, postgres_url: str
) -> None:
    # `sqlite3` has foreign keys off by default.
    execute(filled, "PRAGMA foreign_keys=OFF", "DELETE FROM predictions WHERE id = 7")
    message = refused(ExitCode.FAILURE, "copy-to", postgres_url)
    found = re.fullmatch(r"\d+ rows of (\w+) refer to predictions .* first: (DELETE .*)", message)
    assert found
    table, statement = found.groups()
    assert set(row_counts(postgres_url).values()) == {0}
    for name in TABLES:
        if name != "predictions":
            execute(filled, statement.replace(table, name))
    done("copy-to", postgres_url)


def test_database_with_other_rows_is_refused_and_unchanged(filled: str, postgres_url: str) -> None:
    execute(postgres_url, "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.5, 'v1')")
    assert "predictions holds other rows" in refused(ExitCode.FAILURE, "copy-to", postgres_url)
    assert row_counts(postgres_url) == {"predictions": 1, "drawings": 0, "labels": 0, "reviews": 0}


def test_row_changed_in_the_target_is_detected(filled: str, postgres_url: str) -> None:
    done("copy-to", postgres_url)
    done("copy-to", postgres_url)
    execute(postgres_url, "UPDATE drawings SET margin = margin + 0.000001 WHERE prediction_id = 7")
    assert "drawings holds other rows" in refused(ExitCode.FAILURE, "copy-to", postgres_url)


@pytest.mark.usefixtures("configured_sqlite")
def test_unusable_target_is_refused(empty_postgres_url: str, tmp_path: Path) -> None:
    assert "run: alembic upgrade head" in refused(ExitCode.UNAVAILABLE, "copy-to", empty_postgres_url)
    assert "begin with postgresql://" in refused(ExitCode.USAGE_ERROR, "copy-to", f"sqlite:///{tmp_path}/other.db")
    for url in ("postgresql://anna:${NO_SUCH_NAME}@localhost/x", "${NEW_DATABASE_URL}"):
        name = url[url.index("$") : url.index("}") + 1]
        assert refused(ExitCode.UNAVAILABLE, "copy-to", url).startswith(f"{name} is used but ")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("foo", "must begin with sqlite:/// or postgresql://"),
        ("postgresql://anna@localhost", "lacks the name of the database"),
        ("postgresql://anna@localhost:port/x", "is not a valid URL"),
        ("sqlite:///no-such-folder/x.db", "the folder"),
    ],
)
@pytest.mark.usefixtures("settings_environment")
def test_invalid_url_is_wrong_usage(url: str, reason: str) -> None:
    assert f"URL: {reason}" in (message := refused(ExitCode.USAGE_ERROR, "copy-to", url))
    assert "DATABASE_URL" not in message


@pytest.mark.usefixtures("configured_sqlite")
def test_unreachable_target_is_named() -> None:
    message = refused(ExitCode.UNAVAILABLE, "copy-to", f"postgresql://anna@127.0.0.1:{free_port()}/x")
    assert message.startswith("the database to copy to: ")
    assert message.endswith("start the server, or correct the host and the port in URL")


def test_copy_is_refused_while_the_service_runs(sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service, service.client() as client:
        client.classify(drawing(Random(1)))
        outcome = run_process(tmp_path, "copy-to", postgres_url, DATABASE_URL=sqlite_url)
        assert outcome.status == ExitCode.FAILURE
        assert "is in use; stop the service" in outcome.err
    assert row_counts(postgres_url)["predictions"] == 0


def test_row_added_during_the_copy_is_detected(filled: str, postgres_url: str) -> None:
    added = False

    def add(step: str, done: int, total: int | None) -> None:
        nonlocal added
        if step == "Comparing" and not added:
            store(filled, [ROWS[0]._replace(id=400)], drawings=True)
            added = True

    with closing(Database(filled)) as source, closing(Database(postgres_url)) as target:
        with pytest.raises(SourceChanged, match="the database was changed during the copy"):
            copy_to(source, target, add)
        copy_to(source, target, no_progress)
    assert row_counts(postgres_url) == row_counts(filled)


@pytest.mark.parametrize("change", ["UPDATE predictions SET notes = 'new' WHERE id = 7", "DELETE FROM labels"])
def test_change_without_a_new_id_during_the_copy_is_detected(filled: str, postgres_url: str, change: str) -> None:
    changes = [change]

    def make_change(step: str, done: int, total: int | None) -> None:
        if step == "Comparing" and changes:
            execute(filled, changes.pop())

    with (
        closing(Database(filled)) as source,
        closing(Database(postgres_url)) as target,
        pytest.raises(SourceChanged, match="with an empty target if rows were changed or deleted"),
    ):
        copy_to(source, target, make_change)
