"""docs/queries.md: every statement runs unchanged on both engines, and the views match the rows."""

import re
from collections import Counter, defaultdict

import pytest
import sqlalchemy as sa

from app.models import Drawing, ShadowPrediction
from tests.support.project_copy import PROJECT
from tests.support.service import connected, execute, rows
from tests.support.stored_rows import random_rows, store

STATEMENTS = re.findall(r"```sql\n(.+?);\n```", (PROJECT / "docs/queries.md").read_text(), re.DOTALL)
QUESTIONS = [statement for statement in STATEMENTS if statement.startswith("SELECT")]
CHANGES = [statement for statement in STATEMENTS if not statement.startswith("SELECT")]
ROWS = random_rows(200)


@pytest.fixture
def filled_url(database_url: str) -> str:
    """A database with rows in every table and one repeated drawing."""
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
    return database_url


def test_page_has_the_expected_number_of_statements() -> None:
    assert (len(QUESTIONS), len(CHANGES)) == (17, 3)


@pytest.mark.parametrize("statement", QUESTIONS, ids=lambda statement: statement.splitlines()[0][:60])
def test_query_returns_rows_without_duplicates(filled_url: str, statement: str) -> None:
    found = rows(filled_url, statement)
    assert found
    assert len({tuple(row.values()) for row in found}) == len(found)


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


def test_newest_rows_of_the_results_view_need_no_sort(sqlite_url: str) -> None:
    plan = rows(sqlite_url, "EXPLAIN QUERY PLAN SELECT * FROM v_results ORDER BY id DESC LIMIT 20")
    steps = [row["detail"] for row in plan]
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps
    assert not [step for step in steps if step.startswith("SCAN") and step != "SCAN predictions"]
