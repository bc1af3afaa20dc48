"""GET /results with filters and cursors."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import islice
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.database import get_database
from app.models import LOW_CONFIDENCE, MAYBE_NOT_A_DIGIT
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, assert_problem, execute
from tests.support.sql_statements import Statement, executed, sqlite_plan
from tests.support.stored_rows import BEGIN, Row, random_rows, store

ROWS = random_rows(300)
MIDDLE = BEGIN + timedelta(minutes=4500)
LATER = MIDDLE + timedelta(days=2)

Condition = Callable[[Row], bool]


def at(row: Row, since: datetime | None = None, until: datetime | None = None) -> bool:
    time = row.created_at
    return time is not None and (since is None or time >= since) and (until is None or time < until)


FILTERS: dict[str, tuple[dict[str, Any], Condition]] = {
    "nothing": ({}, lambda row: True),
    "prediction": ({"prediction": "7"}, lambda row: row.prediction == "7"),
    "label": ({"label": "7"}, lambda row: row.label == "7"),
    "not a digit": ({"label": "none"}, lambda row: row.label == "none"),
    "version": ({"model_version": "v2"}, lambda row: row.model_version == "v2"),
    "unsure": ({"max_confidence": 0.6}, lambda row: row.confidence <= 0.6),
    "sure": ({"min_confidence": 0.6}, lambda row: row.confidence >= 0.6),
    "hardly a digit": ({"min_not_a_digit": 0.6}, lambda row: (row.not_a_digit or 0) >= 0.6),
    "perhaps a digit": ({"min_not_a_digit": 0.05}, lambda row: (row.not_a_digit or 0) >= 0.05),
    "told at all": ({"min_not_a_digit": 0}, lambda row: row.not_a_digit is not None),
    "unsure and hardly a digit": (
        {"min_not_a_digit": 0.4, "max_confidence": 0.8},
        lambda row: (row.not_a_digit or 0) >= 0.4 and row.confidence <= 0.8,
    ),
    "between": (
        {"min_confidence": 0.5, "max_confidence": 0.8, "prediction": "1"},
        lambda row: 0.5 <= row.confidence <= 0.8 and row.prediction == "1",
    ),
    "since": ({"since": MIDDLE.isoformat()}, lambda row: at(row, MIDDLE)),
    "until": ({"until": MIDDLE.isoformat()}, lambda row: at(row, None, MIDDLE)),
    "in a time, by label": (
        {"since": MIDDLE.isoformat(), "until": LATER.isoformat(), "labelled": True},
        lambda row: at(row, MIDDLE, LATER) and row.label is not None,
    ),
    "labelled": ({"labelled": True}, lambda row: row.label is not None),
    "not labelled": ({"labelled": False}, lambda row: row.label is None),
    "labelled and not": ({"label": "1", "labelled": False}, lambda row: False),
    "notes": ({"notes_contains": "5 % _DONE"}, lambda row: "5 % _done" in (row.notes or "")),
    "notes of a label": (
        {"notes_contains": "done", "label": "0", "model_version": "v1"},
        lambda row: row.notes is not None and row.label == "0" and row.model_version == "v1",
    ),
    "nothing at all": ({"prediction": "9"}, lambda row: False),
}


def expected(condition: Condition, by_time: bool) -> list[int]:
    chosen = [row for row in ROWS if condition(row)]
    key: Callable[[Row], Any] = (lambda row: (row.created_at, row.id)) if by_time else (lambda row: row.id)
    return [row.id for row in sorted(chosen, key=key, reverse=True)]


def pages(client: TestClient, limit: int, **parameters: Any) -> Iterator[list[dict[str, Any]]]:
    """Follow `Link` from the first page to the last."""
    response = client.get("/results", params={**parameters, "limit": limit})
    while True:
        assert response.status_code == 200, response.text
        page = response.json()
        yield page["results"]
        assert (page["next"] is None) == ("link" not in response.headers)
        if page["next"] is None:
            return
        assert f"cursor={page['next']}" in response.headers["link"]
        response = client.get(response.links["next"]["url"])


@pytest.mark.parametrize("name", FILTERS)
def test_pages_have_exactly_the_matching_rows_newest_first(client: TestClient, database_url: str, name: str) -> None:
    parameters, condition = FILTERS[name]
    store(database_url, ROWS)
    ids = expected(condition, by_time="since" in parameters or "until" in parameters)
    for limit in (7, 1000):
        assert [row["id"] for page in pages(client, limit, **parameters) for row in page] == ids


@pytest.mark.parametrize("highest", [LOW_CONFIDENCE, LOW_CONFIDENCE + 1e-6])
def test_rare_confidences_are_found_in_the_same_order_as_common_ones(
    client: TestClient, database_url: str, highest: float
) -> None:
    rows = [row._replace(confidence=LOW_CONFIDENCE) if row.id % 3 else row for row in ROWS]
    store(database_url, rows)
    found = [row["id"] for page in pages(client, 40, max_confidence=highest) for row in page]
    assert found == [row.id for row in reversed(rows) if row.confidence <= LOW_CONFIDENCE]


@pytest.mark.parametrize("least", [MAYBE_NOT_A_DIGIT, MAYBE_NOT_A_DIGIT - 1e-6])
def test_rare_drawings_that_are_not_digits_are_found_in_the_same_order_as_others(
    client: TestClient, database_url: str, least: float
) -> None:
    rows = [row._replace(not_a_digit=MAYBE_NOT_A_DIGIT) if row.id % 3 else row for row in ROWS]
    store(database_url, rows)
    found = [row["id"] for page in pages(client, 40, min_not_a_digit=least) for row in page]
    assert found == [row.id for row in reversed(rows) if (row.not_a_digit or 0) >= MAYBE_NOT_A_DIGIT]


def test_listed_row_has_the_latest_label_and_notes(client: TestClient, database_url: str) -> None:
    store(database_url, ROWS)
    (listed,) = pages(client, 1000)
    said = {row["id"]: (row["label"], row["notes"]) for row in listed}
    assert said == {row.id: (row.label, row.notes) for row in ROWS}
    assert any(len(set(row.labels)) > 1 for row in ROWS)


def test_earlier_label_is_not_found(client: TestClient) -> None:
    client.post("/classify", json=DRAWING)
    for label in ("1", "4"):
        assert client.put("/results/1/label", json={"label": label}).status_code == 200
    assert client.get("/results?label=1").json()["results"] == []
    assert [row["label"] for row in client.get("/results?label=4").json()["results"]] == ["4"]
    assert len(client.get("/results?labelled=true").json()["results"]) == 1
    assert client.get("/results?labelled=false").json()["results"] == []


def test_rows_added_or_deleted_between_pages_repeat_and_hide_none(client: TestClient, database_url: str) -> None:
    store(database_url, ROWS)
    seen = []
    for number, page in enumerate(pages(client, 40)):
        seen += [row["id"] for row in page]
        client.post("/classify", json=DRAWING)
        # Delete the row that the cursor points to.
        execute(database_url, f"DELETE FROM predictions WHERE id = {seen[-1]}")
        assert number < 20
    assert seen == list(range(len(ROWS), 0, -1))


@pytest.mark.parametrize("by_time", [False, True])
def test_last_full_page_has_no_next(client: TestClient, database_url: str, by_time: bool) -> None:
    store(database_url, [row._replace(created_at=BEGIN) for row in ROWS[:10]])
    parameters = {"since": BEGIN.isoformat()} if by_time else {}
    assert [[row["id"] for row in page] for page in pages(client, 5, **parameters)] == [
        [10, 9, 8, 7, 6],
        [5, 4, 3, 2, 1],
    ]


@pytest.mark.parametrize("zone", ["Z", "+00:00", " 00:00", "+0545", ""])
def test_time_may_have_any_zone_and_an_unescaped_plus(client: TestClient, database_url: str, zone: str) -> None:
    store(database_url, [ROWS[0]._replace(created_at=datetime(2026, 3, 1, 12, tzinfo=UTC))])
    shift = timedelta(hours=5, minutes=45) if zone == "+0545" else timedelta()
    for seconds, found in ((0, 1), (1, 0)):
        local = (datetime(2026, 3, 1, 12, 0, seconds, tzinfo=UTC) + shift).replace(tzinfo=None).isoformat()
        response = client.get(f"/results?since={local}{zone if zone == ' 00:00' else zone.replace('+', '%2B')}")
        assert response.status_code == 200, response.text
        assert len(response.json()["results"]) == found


@pytest.mark.parametrize("name", FILTERS)
def test_number_of_statements_does_not_depend_on_the_page(client: TestClient, database_url: str, name: str) -> None:
    parameters, _ = FILTERS[name]
    store(database_url, ROWS)
    counts = []
    for limit in (1, 5, 1000):
        with executed() as seen:
            assert client.get("/results", params={**parameters, "limit": limit}).status_code == 200
        counts.append(len(seen))
    assert set(counts) == {1}


PLANS = {
    "version": "ix_predictions_model_version_id",
    "prediction": "ix_predictions_prediction_id",
    "unsure": "ix_predictions_low_confidence",
    "hardly a digit": "ix_predictions_maybe_not_a_digit",
    "unsure and hardly a digit": "ix_predictions_maybe_not_a_digit",
    "since": "ix_predictions_created_at_id",
    "until": "ix_predictions_created_at_id",
    "label": "ix_labels_label_prediction_id",
    "labelled": "ix_labels_prediction_id_id",
    "notes": "ix_predictions_with_notes",
    "nothing": "predictions",
}


def statements_of_two_pages(client: TestClient, name: str) -> list[Statement]:
    parameters, _ = FILTERS[name]
    with executed() as seen:
        assert len(list(islice(pages(client, 2, **parameters), 2))) == 2
    return seen


@pytest.mark.parametrize("name", PLANS)
def test_sqlite_uses_the_index_of_the_filter(start: Start, sqlite_url: str, name: str) -> None:
    store(sqlite_url, ROWS)
    first, second = map(sqlite_plan, statements_of_two_pages(start(DATABASE_URL=sqlite_url), name))
    in_order = name in ("unsure", "hardly a digit", "unsure and hardly a digit", "nothing", "labelled", "notes")
    assert first[0].startswith("SCAN" if in_order else "SEARCH"), first
    assert second[0].startswith("SEARCH"), second
    for plan in (first, second):
        assert PLANS[name] in plan[0], plan
        assert not any("TEMP B-TREE" in step for step in plan), plan


@pytest.mark.parametrize("name", sorted(set(PLANS) - {"nothing", "labelled"}))
def test_postgresql_can_use_the_index_of_the_filter(start: Start, truncated_postgres_url: str, name: str) -> None:
    store(truncated_postgres_url, ROWS)
    statements = statements_of_two_pages(start(DATABASE_URL=truncated_postgres_url), name)
    with get_database().engine.connect() as connection:
        # With 300 rows the planner prefers a sequential scan.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        for statement, values in statements:
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values))
            assert PLANS[name] in plan, plan


REFUSED = [
    ("cursor", "x"),
    ("cursor", "WzEsMl0"),
    ("cursor", "WzIxNDc0ODM2NDgsbnVsbF0"),
    ("cursor", "W3RydWUsbnVsbF0"),
    ("cursor", "W1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tb"),
    ("cursor", "%C3%BC"),
    ("label", "10"),
    ("label", "seven"),
    ("min_confidence", "nan"),
    ("max_confidence", "1e309"),
    ("max_confidence", "-0.1"),
    ("min_not_a_digit", "nan"),
    ("min_not_a_digit", "1.1"),
    ("min_not_a_digit", "-0.1"),
    ("min_not_a_digit", "5e-1"),
    ("since", "yesterday"),
    ("since", "0001-01-01T00:00:00%2B14:00"),
    ("until", "9999-12-31T23:59:59-14:00"),
    ("until", "9" * 100),
    ("labelled", "perhaps"),
    ("notes_contains", ""),
    ("notes_contains", "%00"),
    ("notes_contains", "x" * 201),
    ("prediction", "a%00b"),
    ("model_version", "%00"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_error_names_the_invalid_filter(client: TestClient, name: str, value: str) -> None:
    response = client.get(f"/results?{name}={value}")
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["query", name]]


@pytest.mark.parametrize("value", ["%25", "_", "\\", "/", "'", "%F0%9F%98%80", "Ü"])
def test_text_of_a_filter_is_matched_literally(client: TestClient, database_url: str, value: str) -> None:
    store(database_url, [ROWS[0]._replace(notes="plain")])
    for name in ("notes_contains", "prediction", "model_version"):
        assert client.get(f"/results?{name}={value}").json()["results"] == []


NOTES = (
    "CAFÉ",
    "Café",
    "café",
    "cafe\u0301",
    "İstanbul",
    "ISTANBUL",
    "\uff21\uff22\uff23",
    "\uff41\uff42\uff43",
    "STRASSE",
    "straße",
    "\u212a",
)


def lowered(text: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in text)


def test_search_in_notes_ignores_the_case_of_a_to_z_only(client: TestClient, database_url: str) -> None:
    store(database_url, [row._replace(notes=notes) for row, notes in zip(ROWS, NOTES, strict=False)])
    for text in (*NOTES, "É", "é", "k", "i", "I", "ß", "SS"):
        found = client.get("/results", params={"notes_contains": text}).json()["results"]
        expected = {notes for notes in NOTES if lowered(text) in lowered(notes)}
        assert {row["notes"] for row in found} == expected, text
