"""GET /results…: stored predictions, newest first, including rows written by hand."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.repository.results import Position
from app.services.cursors import cursor_of
from tests.support.result_filters import pages
from tests.support.service import DRAWING, assert_problem, execute, random_drawings

SUMMARY = {"id", "prediction", "confidence", "not_a_digit", "model_version", "created_at"}
UNTOUCHED = {"label": None, "notes": None}
LAST_ID = 2**63 - 1

# The course's statement, and the row it left in version 0.5.
BY_HAND = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'v1')"
WITHOUT_TIME = "INSERT INTO predictions (prediction, confidence, model_version, created_at) VALUES ('3', 1, 'v0', NULL)"


def classify(client: TestClient, count: int = 1) -> list[dict[str, object]]:
    return [client.post("/classify", json=DRAWING).json() for _ in range(count)]


def test_list_is_empty_without_predictions(client: TestClient) -> None:
    assert client.get("/results").json() == {"results": [], "next": None}


def test_list_is_newest_first_with_exactly_the_documented_fields(client: TestClient) -> None:
    answers = classify(client, 3)
    response = client.get("/results")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == {
        "results": [{**{name: answer[name] for name in SUMMARY}, **UNTOUCHED} for answer in reversed(answers)],
        "next": None,
    }


def test_list_has_20_results_by_default(client: TestClient) -> None:
    ids = [answer["id"] for answer in classify(client, 21)]
    assert [row["id"] for row in client.get("/results").json()["results"]] == ids[:0:-1]
    assert [row["id"] for row in client.get("/results?limit=1").json()["results"]] == ids[-1:]
    assert len(client.get("/results?limit=1000").json()["results"]) == len(ids)


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "ten", "", "1.5", "9" * 5000, "1e2", "%00", "%ff", "null"])
def test_limit_outside_of_1_to_1000_is_refused(sqlite_client: TestClient, limit: str) -> None:
    problem = assert_problem(sqlite_client.get(f"/results?limit={limit}"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["query", "limit"]]


def test_unknown_parameter_is_refused_and_not_repeated(sqlite_client: TestClient) -> None:
    problem = assert_problem(
        sqlite_client.get("/results", params={"limmit": 5}), HTTPStatus.UNPROCESSABLE_ENTITY, "errors"
    )
    assert problem["errors"][0]["type"] == "extra_forbidden"
    assert problem["errors"][0]["loc"] == ["query"]
    assert "limmit" not in str(problem)


def test_result_has_scores_and_request_id(client: TestClient) -> None:
    response = client.post("/classify", json=DRAWING, headers={"X-Request-ID": "order-66"})
    answer = response.json()
    assert client.get(f"/results/{answer['id']}").json() == {
        **answer,
        **UNTOUCHED,
        "request_id": "order-66",
        "trace_id": None,
    }


def test_notes_set_with_sql_are_shown(client: TestClient, database_url: str) -> None:
    (answer,) = classify(client)
    execute(database_url, "UPDATE predictions SET notes = 'a seven with a bar: ünlike mine'")
    assert client.get(f"/results/{answer['id']}").json()["notes"] == "a seven with a bar: ünlike mine"


def test_text_of_another_encoding_is_shown_with_replacements(sqlite_client: TestClient, sqlite_url: str) -> None:
    classify(sqlite_client)
    execute(sqlite_url, "UPDATE predictions SET notes = CAST(x'636166e9' AS TEXT)")
    found = sqlite_client.get("/results/1")
    assert found.json()["notes"] == "caf\N{REPLACEMENT CHARACTER}"
    for path in ("/results", "/results?notes_contains=caf", "/export?format=jsonl&include_unlabelled=true"):
        assert "caf\N{REPLACEMENT CHARACTER}" in sqlite_client.get(path).text
    corrected = sqlite_client.patch("/results/1", json={"notes": "café"}, headers={"If-Match": found.headers["etag"]})
    assert corrected.json()["notes"] == "café"


def test_row_inserted_by_hand_is_shown_with_a_time(client: TestClient, database_url: str) -> None:
    execute(database_url, BY_HAND)
    (row,) = client.get("/results").json()["results"]
    assert {name: row[name] for name in SUMMARY - {"id", "created_at"}} == {
        "prediction": "7",
        "confidence": 0.94,
        "not_a_digit": None,
        "model_version": "v1",
    }
    age = datetime.now(UTC) - datetime.fromisoformat(row["created_at"])
    assert timedelta(0) <= age + timedelta(seconds=1) < timedelta(minutes=1)
    assert client.get(f"/results/{row['id']}").json() == {**row, "request_id": None, "trace_id": None, "scores": None}
    assert_problem(client.get(f"/results/{row['id']}/drawing.png"), HTTPStatus.NOT_FOUND)


def test_row_of_version_05_without_time_and_drawing_is_shown(client: TestClient, database_url: str) -> None:
    execute(database_url, WITHOUT_TIME)
    columns = {"id": 1, "prediction": "3", "confidence": 1.0, "not_a_digit": None, "model_version": "v0"}
    row = {**columns, "created_at": None, **UNTOUCHED}
    assert client.get("/results").json() == {"results": [row], "next": None}
    assert client.get("/results/1").json() == {**row, "request_id": None, "trace_id": None, "scores": None}
    assert_problem(client.get("/results/1/drawing.png"), HTTPStatus.NOT_FOUND)
    (answer,) = classify(client)
    assert [result["id"] for result in client.get("/results").json()["results"]] == [answer["id"], 1]


def test_drawing_has_the_pixels_that_were_sent(client: TestClient) -> None:
    drawing = random_drawings(1)[0]
    drawing.flat[:256] = range(256)
    prediction_id = client.post("/classify", json={"pixels": drawing.tolist()}).json()["id"]
    response = client.get(f"/results/{prediction_id}/drawing.png")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    with Image.open(BytesIO(response.content)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (28, 28))
        np.testing.assert_array_equal(np.asarray(picture), drawing)


def test_drawing_may_be_cached_only_privately(sqlite_client: TestClient) -> None:
    (answer,) = classify(sqlite_client)
    response = sqlite_client.get(f"/results/{answer['id']}/drawing.png")
    assert "private" in response.headers["cache-control"]


@pytest.mark.parametrize("page", ["/results/{}", "/results/{}/drawing.png", "/results/{}/labels"])
def test_unknown_prediction_is_not_found(client: TestClient, page: str) -> None:
    for prediction_id in (1, 2**31, LAST_ID):
        assert_problem(client.get(page.format(prediction_id)), HTTPStatus.NOT_FOUND)


def test_predictions_after_a_large_id_inserted_by_hand_are_read_paged_and_deleted(
    sqlite_client: TestClient, sqlite_url: str
) -> None:
    execute(sqlite_url, BY_HAND.replace("(prediction", "(id, prediction").replace("('7'", "(3000000000, '7'"))
    (answer,) = classify(sqlite_client)
    assert answer["id"] == 3_000_000_001
    assert sqlite_client.get(f"/results/{answer['id']}").status_code == 200
    assert sqlite_client.put(f"/results/{answer['id']}/label", json={"label": "1"}).status_code == 200
    for filters in ({}, {"prediction": "7"}):
        found = [row["id"] for page in pages(sqlite_client, 1, **filters) for row in page]
        assert found == [3_000_000_001, 3_000_000_000]
    assert sqlite_client.delete("/results/3000000000").status_code == 204


@pytest.mark.parametrize(
    "query", ["", "prediction=7", "label=1&prediction=7", "since=2026-01-01", "notes_contains=bar"]
)
def test_cursor_after_every_id_is_accepted(client: TestClient, query: str) -> None:
    classify(client)
    client.put("/results/1/label", json={"label": "1"})
    client.patch("/results/1", json={"notes": "with a bar"})
    cursor = cursor_of(Position(LAST_ID, datetime(9000, 1, 1, tzinfo=UTC)))
    assert [row["id"] for row in client.get(f"/results?cursor={cursor}&{query}").json()["results"]] == [1]
    # The log goes on after an entry, and has none with this id.
    assert client.get(f"/audit?cursor={cursor}").json() == {"entries": [], "next": None}


@pytest.mark.parametrize("page", ["/results/{}", "/results/{}/drawing.png"])
@pytest.mark.parametrize("wrong", ["0", "-1", str(LAST_ID + 1), "9" * 5000, "seven", "1.5", "1%00", "%ff"])
def test_invalid_id_is_refused(sqlite_client: TestClient, page: str, wrong: str) -> None:
    problem = assert_problem(sqlite_client.get(page.format(wrong)), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["path", "id"]]
    assert "seven" not in str(problem)


@pytest.mark.parametrize("written", ["''", "'20.11.2026 10:00'", "'yesterday'", "42", "1.5", "x'00'"])
def test_invalid_time_in_the_database_does_not_break_the_page(
    sqlite_client: TestClient, sqlite_url: str, written: str
) -> None:
    by_hand = BY_HAND.replace("model_version)", "model_version, created_at)").replace("'v1')", f"'v1', {written})")
    execute(sqlite_url, by_hand)
    response = sqlite_client.get("/results")
    assert response.status_code == 200
    assert response.json()["results"][0]["created_at"] is None
