"""docs/queries.md: every statement runs as it stands on both engines, and the views count what the service counts."""

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
    """A database with something in every table, and a drawing that came twice."""
    store(database_url, ROWS, drawings=True)
    with connected(database_url) as connection:
        pixels = connection.scalar(sa.select(Drawing.pixels).where(Drawing.prediction_id == 1))
        connection.execute(sa.update(Drawing).where(Drawing.prediction_id == 2).values(pixels=pixels))
        shadow = [
            {"prediction_id": row.id, "model_sha256": "ab", "model_version": "v3", "prediction": "7", "confidence": 0.5}
            for row in ROWS
        ]
        connection.execute(sa.insert(ShadowPrediction), shadow)
    # The first prediction is the one the examples are about.
    execute(database_url, "INSERT INTO labels (prediction_id, label) VALUES (1, '1'), (1, '2')")
    return database_url


def test_page_has_questions_and_changes() -> None:
    assert (len(QUESTIONS), len(CHANGES)) == (15, 3)


@pytest.mark.parametrize("statement", QUESTIONS, ids=lambda statement: statement.splitlines()[0][:60])
def test_question_has_an_answer(filled_url: str, statement: str) -> None:
    found = rows(filled_url, statement)
    assert found
    assert len({tuple(row.values()) for row in found}) == len(found)


def test_changes_do_what_the_page_says(filled_url: str) -> None:
    label, notes, delete = CHANGES
    execute(filled_url, label, notes)
    (row,) = rows(filled_url, "SELECT label, labelled_by, notes FROM v_results WHERE id = 1")
    assert row == {"label": "7", "labelled_by": "anna", "notes": "with a bar"}
    execute(filled_url, *(["PRAGMA foreign_keys = ON"] if filled_url.startswith("sqlite") else []), delete)
    for table, column in (("predictions", "id"), ("drawings", "prediction_id"), ("labels", "prediction_id")):
        assert rows(filled_url, f"SELECT {column} FROM {table} WHERE {column} = 1") == []


def test_view_of_results_has_the_label_that_counts(database_url: str) -> None:
    store(database_url, ROWS)
    found = {row["id"]: row for row in rows(database_url, "SELECT * FROM v_results")}
    assert len(found) == len(ROWS)
    for row in ROWS:
        view = found[row.id]
        assert (view["prediction"], view["label"], view["notes"]) == (row.prediction, row.label, row.notes)
        assert view["labelled_by"] == ("anna" if row.label else None)
        assert view["correct"] == (None if row.label is None else row.label == row.prediction)


def test_accuracy_by_version_counts_the_latest_label_only(database_url: str) -> None:
    store(database_url, ROWS)
    right: dict[str, list[bool]] = defaultdict(list)
    for row in ROWS:
        if row.label is not None:
            right[row.model_version].append(row.label == row.prediction)
    counts = Counter(row.model_version for row in ROWS)
    found = {row.pop("model_version"): row for row in rows(database_url, "SELECT * FROM v_accuracy_by_version")}
    assert set(found) == set(counts) == {"v1", "v2"}
    for version, view in found.items():
        said = right[version]
        assert (view["predictions"], view["labelled"], view["correct"]) == (counts[version], len(said), sum(said))
        assert float(view["accuracy"]) == pytest.approx(sum(said) / len(said))


def test_the_newest_of_a_view_are_found_without_reading_everything(sqlite_url: str) -> None:
    plan = rows(sqlite_url, "EXPLAIN QUERY PLAN SELECT * FROM v_results ORDER BY id DESC LIMIT 20")
    steps = [row["detail"] for row in plan]
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps
    assert not [step for step in steps if step.startswith("SCAN") and step != "SCAN predictions"]
