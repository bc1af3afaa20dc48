"""GET /results reads an index for each filter."""

from itertools import islice
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.database import get_database
from app.repository import notes_search
from tests.support.http_fixtures import Start
from tests.support.result_filters import FILTERS, ROWS, pages
from tests.support.service import execute
from tests.support.sql_statements import Statement, executed, sqlite_plan
from tests.support.stored_rows import store

PLANS = {
    "version": "ix_predictions_model_version_id",
    "prediction": "ix_predictions_prediction_id",
    "unsure": "ix_predictions_low_confidence",
    "hardly a digit": "ix_predictions_maybe_not_a_digit",
    "unsure and hardly a digit": "ix_predictions_maybe_not_a_digit",
    "since": "ix_predictions_created_at_id",
    "until": "ix_predictions_created_at_id",
    "label": "ix_labelled_predictions_label_prediction_id_confidence",
    "labelled": "labelled_predictions",
    "label and prediction": "ix_labelled_predictions_label_prediction_prediction_id",
    "label and version": "ix_labelled_predictions_label_model_version_prediction_id",
    "label and unsure": "ix_labelled_predictions_low_confidence",
    "label and hardly a digit": "ix_labelled_predictions_maybe_not_a_digit",
    "labelled and prediction": "ix_labelled_predictions_prediction_prediction_id",
    "labelled and version": "ix_labelled_predictions_model_version_prediction_id",
    "labelled and unsure": "ix_labelled_predictions_low_confidence",
    "labelled and hardly a digit": "ix_labelled_predictions_maybe_not_a_digit",
    "notes": "notes_search",
    "nothing": "predictions",
}

PAIRS: dict[str, dict[str, Any]] = {
    f"{first} and {second}": {**label, **other}
    for first, label in {"label": {"label": "7"}, "labelled": {"labelled": True}}.items()
    for second, other in {
        "prediction": {"prediction": "7"},
        "version": {"model_version": "v1"},
        "unsure": {"max_confidence": 0.9},
        "hardly a digit": {"min_not_a_digit": 0.1},
    }.items()
}


def statements_of_two_pages(client: TestClient, name: str) -> list[Statement]:
    parameters = PAIRS[name] if name in PAIRS else FILTERS[name][0]
    with executed() as seen:
        assert len(list(islice(pages(client, 2, **parameters), 2))) == 2
    # The others look what the counts and the index of the notes say.
    return [statement for statement in seen if "AS label" in statement.text]


def test_sqlite_uses_the_index_of_the_filter(start: Start, sqlite_url: str, subtests: pytest.Subtests) -> None:
    store(sqlite_url, ROWS)
    client = start(DATABASE_URL=sqlite_url)
    for name, index in PLANS.items():
        with subtests.test(name):
            first, second = map(sqlite_plan, statements_of_two_pages(client, name))
            if name == "notes":
                # Few have the text, so they are sorted.
                assert all("SCAN notes_search VIRTUAL TABLE" in " ".join(plan) for plan in (first, second)), first
                assert all("SEARCH predictions USING INTEGER PRIMARY KEY" in plan[0] for plan in (first, second)), first
                continue
            in_order = name.endswith(("unsure", "hardly a digit")) or name in ("nothing", "labelled")
            assert first[0].startswith("SCAN" if in_order else "SEARCH"), first
            assert second[0].startswith("SEARCH"), second
            for plan in (first, second):
                assert index in plan[0], plan
                assert not any("TEMP B-TREE" in step for step in plan), plan


def test_postgresql_can_use_the_index_of_the_filter(
    start: Start, truncated_postgres_url: str, subtests: pytest.Subtests
) -> None:
    store(truncated_postgres_url, ROWS)
    client = start(DATABASE_URL=truncated_postgres_url)
    statements = {
        name: statements_of_two_pages(client, name) for name in sorted(set(PLANS) - {"nothing", "labelled", "notes"})
    }
    with get_database().engine.connect() as connection:
        # With 300 rows the planner prefers a sequential scan.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        # Without statistics, which autovacuum may have made or not, the indexes of one filter and of two seem alike.
        connection.exec_driver_sql("ANALYZE predictions, labelled_predictions")
        for name, statement in ((name, each) for name, found in statements.items() for each in found):
            with subtests.test(name):
                explained = connection.exec_driver_sql(f"EXPLAIN {statement.text}", statement.values)
                plan = "\n".join(row[0] for row in explained)
                assert PLANS[name] in plan, plan


def plan_on_postgresql(statement: Statement, *before: str) -> str:
    """Return the plan after these statements, which are rolled back."""
    with get_database().engine.connect() as connection:
        for each in before:
            connection.exec_driver_sql(each)
        explained = connection.exec_driver_sql(f"EXPLAIN {statement.text}", statement.values)
        return "\n".join(row[0] for row in explained)


def test_postgresql_searches_notes_and_reads_the_newest_if_many_have_the_text(
    start: Start, truncated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(truncated_postgres_url, ROWS)
    client = start(DATABASE_URL=truncated_postgres_url)
    parameters, _ = FILTERS["notes"]
    with executed() as seen:
        few = list(pages(client, 2, **parameters))
    (_, search, listing, *_) = [found for found in seen if "AS label" in found.text or "LIKE" in found.text]
    # So few notes are read faster without a search.
    without_search = "DROP INDEX ix_predictions_with_notes, ix_predictions_with_notes_created_at"
    plan = plan_on_postgresql(
        search, "SET LOCAL enable_indexscan = off", "SET LOCAL enable_seqscan = off", without_search
    )
    assert "ix_predictions_notes_trigrams" in plan, plan
    assert "predictions.id = ANY" in listing.text
    for name in ("_FEW_ON_POSTGRESQL", "_FREQUENT"):
        with monkeypatch.context() as patch, executed() as seen:
            patch.setattr(notes_search, name, 0)
            assert list(pages(client, 2, **parameters)) == few
        (listing, *_) = [statement for statement in seen if "AS label" in statement.text]
        plan = plan_on_postgresql(listing, "SET LOCAL enable_seqscan = off", "SET LOCAL enable_sort = off")
        assert "ix_predictions_with_notes" in plan, plan


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"model_version": "v1", "notes_contains": "remark"}, "ix_predictions_with_notes "),
        ({"prediction": "7", "notes_contains": "remark"}, "ix_predictions_with_notes "),
        ({"since": "2026-01-01", "notes_contains": "remark"}, "ix_predictions_with_notes_created_at"),
        ({"until": "2026-01-01", "notes_contains": "remark"}, "ix_predictions_with_notes_created_at"),
    ],
)
def test_postgresql_stops_at_a_full_page_if_many_have_the_text(
    start: Start, truncated_postgres_url: str, filters: dict[str, str], index: str
) -> None:
    execute(
        truncated_postgres_url,
        "INSERT INTO predictions (prediction, confidence, model_version, created_at, notes)"
        " SELECT '7', 0.9, 'v1', timestamptz '2026-01-01' + (n - 20000) * interval '1 minute',"
        " CASE WHEN n % 4 = 0 THEN 'remark ' || n END FROM generate_series(1, 40000) n",
        "ANALYZE predictions",
    )
    client = start(DATABASE_URL=truncated_postgres_url)
    with executed() as seen:
        assert len(client.get("/results", params=filters).json()["results"]) == 20
    [listing] = [found for found in seen if "AS label" in found.text]
    settings = [found.text for found in seen if found.text.startswith("SET LOCAL")]
    plan = plan_on_postgresql(listing, *settings)
    assert "Sort" not in plan, plan
    assert index in plan, plan
