"""GET /results with filters and cursors."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import combinations

import pytest
from starlette.testclient import TestClient

from app.models import LOW_CONFIDENCE, MAYBE_NOT_A_DIGIT
from tests.support.http_fixtures import Start
from tests.support.result_filters import FILTERS, ROWS, expected, pages
from tests.support.service import DRAWING, assert_problem, execute
from tests.support.sql_statements import executed
from tests.support.stored_rows import BEGIN, store


def test_pages_have_exactly_the_matching_rows_newest_first(
    client: TestClient, database_url: str, subtests: pytest.Subtests
) -> None:
    store(database_url, ROWS)
    for name, (parameters, condition) in FILTERS.items():
        ids = expected(condition, by_time="since" in parameters or "until" in parameters)
        for limit in (7, 1000):
            with subtests.test(name, limit=limit):
                assert [row["id"] for page in pages(client, limit, **parameters) for row in page] == ids


@pytest.mark.slow
def test_pairs_of_filters_find_the_rows_that_match_both(client: TestClient, database_url: str) -> None:
    store(database_url, ROWS)
    for (one, matches_one), (other, matches_other) in combinations(FILTERS.values(), 2):
        both = {**other, **one}
        if len(both) == len(one) + len(other):
            by_time = "since" in both or "until" in both
            ids = expected(matches_one, by_time, and_also=matches_other)
            assert [row["id"] for page in pages(client, 50, **both) for row in page] == ids, both


def test_labels_are_found_before_they_are_listed(client: TestClient, database_url: str) -> None:
    store(database_url, ROWS)
    execute(database_url, "INSERT INTO unlisted_predictions VALUES (1, 300)")
    execute(database_url, "DELETE FROM labelled_predictions WHERE prediction_id > 100")
    for name in ("label", "not a digit", "labelled", "not labelled", "labelled and not", "notes of a label"):
        parameters, condition = FILTERS[name]
        found = [row["id"] for page in pages(client, 50, **parameters) for row in page]
        assert found == expected(condition, by_time=False), name


@pytest.mark.parametrize("highest", [LOW_CONFIDENCE, LOW_CONFIDENCE + 1e-6])
def test_rare_confidences_are_found_in_the_same_order_as_common_ones(
    client: TestClient, database_url: str, highest: float
) -> None:
    rows = [row._replace(confidence=LOW_CONFIDENCE) if row.id % 3 else row for row in ROWS]
    store(database_url, rows)
    found = [row["id"] for page in pages(client, 40, max_confidence=highest) for row in page]
    assert found == [row.id for row in reversed(rows) if row.confidence <= LOW_CONFIDENCE]


def test_empty_range_of_confidences_reads_no_row(start: Start, sqlite_url: str) -> None:
    store(sqlite_url, ROWS)
    client = start(DATABASE_URL=sqlite_url)
    with executed() as seen:
        assert client.get("/results", params={"min_confidence": 0.95, "max_confidence": 0.9}).json()["results"] == []
    assert not any("AS label" in statement.text for statement in seen)


@pytest.mark.parametrize("least", [MAYBE_NOT_A_DIGIT, MAYBE_NOT_A_DIGIT - 1e-6])
def test_rare_drawings_that_are_not_digits_are_found_in_the_same_order_as_others(
    client: TestClient, database_url: str, least: float
) -> None:
    rows = [row._replace(not_a_digit=MAYBE_NOT_A_DIGIT) if row.id % 3 else row for row in ROWS]
    store(database_url, rows)
    found = [row["id"] for page in pages(client, 40, min_not_a_digit=least) for row in page]
    assert found == [row.id for row in reversed(rows) if (row.not_a_digit or 0) >= MAYBE_NOT_A_DIGIT]


def test_row_of_the_last_day_of_all_is_found_by_two_filters(client: TestClient, database_url: str) -> None:
    store(database_url, [ROWS[0]._replace(created_at=datetime(9999, 12, 31, 10, tzinfo=UTC), model_version="v9")])
    for path in ("/results?model_version=v9&since=2026-01-01", "/results?model_version=v9&min_confidence=0"):
        assert len(client.get(path).json()["results"]) == 1
    assert client.get("/stats?model_version=v9").json()["count"] == 1


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


def test_number_of_statements_does_not_depend_on_the_page(
    client: TestClient, database_url: str, subtests: pytest.Subtests
) -> None:
    store(database_url, ROWS)
    for name, (parameters, _) in FILTERS.items():
        with subtests.test(name):
            counts = []
            for limit in (1, 5, 1000):
                with executed() as seen:
                    assert client.get("/results", params={**parameters, "limit": limit}).status_code == 200
                counts.append(len(seen))
            assert len(set(counts)) == 1
            assert counts[0] <= 5


REFUSED = [
    ("cursor", "x"),
    ("cursor", "WzEsMl0"),
    ("cursor", "WzkyMjMzNzIwMzY4NTQ3NzU4MDgsbnVsbF0"),
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


def test_error_names_the_invalid_filter(client: TestClient, subtests: pytest.Subtests) -> None:
    for name, value in REFUSED:
        with subtests.test(name, value=value):
            response = client.get(f"/results?{name}={value}")
            problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
            assert [error["loc"] for error in problem["errors"]] == [["query", name]]


def test_text_of_a_filter_is_matched_literally(client: TestClient, database_url: str) -> None:
    store(database_url, [ROWS[0]._replace(notes="plain")])
    for value in ("%25", "_", "\\", "/", "'", "%F0%9F%98%80", "Ü"):
        for name in ("notes_contains", "prediction", "model_version"):
            assert client.get(f"/results?{name}={value}").json()["results"] == [], (name, value)


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
