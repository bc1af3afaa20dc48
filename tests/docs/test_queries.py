"""docs/queries.md: every statement runs unchanged on both engines or on an export, and the views match the rows."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from app.models import Drawing, ShadowPrediction
from tests.support.command_line import done
from tests.support.project_copy import PROJECT
from tests.support.service import connected, execute, rows
from tests.support.stored_rows import random_rows, store

PAGE = (PROJECT / "docs/queries.md").read_text()
STATEMENTS = re.findall(r"```sql\n((?:(?!\.parquet'|```).)+?);\n```", PAGE, re.DOTALL)
QUESTIONS = [statement for statement in STATEMENTS if statement.startswith("SELECT")]
CHANGES = [statement for statement in STATEMENTS if not statement.startswith("SELECT")]
# DuckDB's statements with their printed results.
ON_PARQUET = re.findall(
    r"```sql\n((?:(?!```).)+?\.parquet'(?:(?!```).)*?);\n```(?:\n\n```text\n(.+?)\n```)?", PAGE, re.DOTALL
)
BY_DAY = [statement for statement in QUESTIONS if " AS day," in statement]
# What the page says before its tables.
(IN_PSQL,) = re.findall(r"`(SET .+?);` in `psql`", PAGE.partition("## Tables")[0])
ROWS = random_rows(200)


def fill(database_url: str) -> None:
    """Write rows into every table, with one repeated drawing."""
    store(database_url, ROWS, drawings=True)
    with connected(database_url) as connection:
        pixels = connection.scalar(sa.select(Drawing.pixels).where(Drawing.prediction_id == 1))
        connection.execute(sa.update(Drawing).where(Drawing.prediction_id == 2).values(pixels=pixels))
        shadow = [
            {"prediction_id": row.id, "model_sha256": "ab", "model_version": "v3", "prediction": "7", "confidence": 0.5}
            for row in ROWS
        ]
        connection.execute(sa.insert(ShadowPrediction), shadow)
    # The examples use prediction 1.
    execute(database_url, "INSERT INTO labels (prediction_id, label) VALUES (1, '1'), (1, '2')")


@pytest.fixture
def filled_url(database_url: str) -> str:
    fill(database_url)
    return database_url


Answer = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def on_parquet(configured_sqlite: str) -> Iterator[Answer]:
    """DuckDB, in a folder with the export of the page."""
    # Takes a third of a second.
    import duckdb

    fill(configured_sqlite)
    done("export", "drawings.parquet", "--include-unlabelled")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield lambda statement: connection.sql(statement).to_arrow_table().to_pylist()


def test_page_has_the_expected_number_of_statements() -> None:
    assert (len(QUESTIONS), len(CHANGES), len(ON_PARQUET)) == (22, 3, 6)


def test_query_returns_rows_without_duplicates(filled_url: str, subtests: pytest.Subtests) -> None:
    for statement in QUESTIONS:
        with subtests.test(statement.splitlines()[0]):
            found = rows(filled_url, statement)
            assert found
            assert len({tuple(row.values()) for row in found}) == len(found)


def test_days_are_those_of_utc_in_every_zone(database_url: str, subtests: pytest.Subtests) -> None:
    store(database_url, ROWS)
    for statement in BY_DAY:
        with subtests.test(statement.splitlines()[0]):
            with connected(database_url) as connection:
                if database_url.startswith("postgresql"):
                    connection.execute(sa.text("SET TimeZone = 'America/New_York'"))
                    connection.execute(sa.text(IN_PSQL))
                found = connection.execute(sa.text(statement)).all()
                connection.rollback()
            counted = [row for row in ROWS if row.label or "labelled" not in statement]
            expected = Counter(f"{row.created_at:%Y-%m-%d}" for row in counted if row.created_at)
            # Predictions without a time have a day of their own.
            assert {day: count for day, count, _ in found if day not in (None, "0001-01-01")} == expected


def test_changes_have_the_documented_effect(filled_url: str) -> None:
    label, notes, delete = CHANGES
    execute(filled_url, label, notes)
    (row,) = rows(filled_url, "SELECT label, labelled_by, notes FROM v_results WHERE id = 1")
    assert row == {"label": "7", "labelled_by": "anna", "notes": "with a bar"}
    execute(filled_url, *(["PRAGMA foreign_keys = ON"] if filled_url.startswith("sqlite") else []), delete)
    for table, column in (("predictions", "id"), ("drawings", "prediction_id"), ("labels", "prediction_id")):
        assert rows(filled_url, f"SELECT {column} FROM {table} WHERE {column} = 1") == []


def test_results_view_has_the_latest_label(database_url: str) -> None:
    store(database_url, ROWS)
    found = {row["id"]: row for row in rows(database_url, "SELECT * FROM v_results")}
    assert len(found) == len(ROWS)
    for row in ROWS:
        view = found[row.id]
        assert (view["prediction"], view["label"], view["notes"]) == (row.prediction, row.label, row.notes)
        assert view["not_a_digit"] == row.not_a_digit
        assert view["labelled_by"] == ("anna" if row.label else None)
        assert view["correct"] == (None if row.label is None else row.label == row.prediction)


def test_accuracy_view_counts_only_the_latest_label(database_url: str) -> None:
    store(database_url, ROWS)
    right: dict[str, list[bool]] = defaultdict(list)
    for row in ROWS:
        if row.label is not None:
            right[row.model_version].append(row.label == row.prediction)
    counts = Counter(row.model_version for row in ROWS)
    found = {row.pop("model_version"): row for row in rows(database_url, "SELECT * FROM v_accuracy_by_version")}
    assert set(found) == set(counts) == {"v1", "v2"}
    for version, view in found.items():
        labels = right[version]
        assert (view["predictions"], view["labelled"], view["correct"]) == (counts[version], len(labels), sum(labels))
        assert float(view["accuracy"]) == pytest.approx(sum(labels) / len(labels))


@pytest.mark.parametrize(("statement", "printed"), ON_PARQUET, ids=[each[:40] for each, _ in ON_PARQUET])
def test_duckdb_query_returns_rows_with_the_printed_columns(on_parquet: Answer, statement: str, printed: str) -> None:
    found = on_parquet(statement)
    assert found
    if printed:
        header = printed.splitlines()[1].strip("│").split("│")
        columns = [name.strip() for name in header]
        # PIVOT makes a column of each prediction, and the rows here have fewer.
        assert [*found[0]] == [name for name in columns if name in found[0]]
        assert set(columns) - found[0].keys() <= set("0123456789")


def test_duckdb_finds_the_accuracy_by_day_and_version(on_parquet: Answer) -> None:
    right: dict[tuple[date | None, str], list[bool]] = defaultdict(list)
    for row in on_parquet("SELECT * FROM 'drawings.parquet'"):
        if row["label"] is not None:
            day = row["created_at"] and row["created_at"].date()
            right[day, row["model_version"]].append(row["label"] == row["prediction"])
    ((statement, _), *_) = ON_PARQUET
    found = {(row["day"], row["model_version"]): row for row in on_parquet(statement)}
    assert sum(row["predictions"] for row in found.values()) == len(ROWS)
    assert {key for key, row in found.items() if row["labelled"]} == right.keys()
    for key, answers in right.items():
        assert found[key]["labelled"] == len(answers)
        assert found[key]["accuracy"] == pytest.approx(sum(answers) / len(answers), abs=0.0001)


def test_newest_rows_of_the_results_view_need_no_sort(sqlite_url: str) -> None:
    plan = rows(sqlite_url, "EXPLAIN QUERY PLAN SELECT * FROM v_results ORDER BY id DESC LIMIT 20")
    steps = [row["detail"] for row in plan]
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps
    assert not [step for step in steps if step.startswith("SCAN") and step != "SCAN predictions"]
