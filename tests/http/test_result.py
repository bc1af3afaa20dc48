"""One result: ETag, conditional requests, notes and deletion."""

import sqlite3
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.schemas.results import MAX_NOTES
from app.services import results
from tests.support.connections import connected
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, assert_problem, execute, rows
from training.mnist import Digits


@pytest.fixture
def record(client: TestClient) -> dict[str, Any]:
    """A stored prediction and its ETag."""
    assert client.post("/classify", json=DRAWING).status_code == 200
    response = client.get("/results/1")
    return {**response.json(), "etag": response.headers["etag"]}


def test_unchanged_record_is_a_304(client: TestClient, record: dict[str, Any]) -> None:
    for known in (record["etag"], f'"other", W/{record["etag"]}', "*"):
        response = client.get("/results/1", headers={"If-None-Match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == record["etag"]
    assert client.get("/results/1", headers={"If-None-Match": '"other"'}).status_code == 200


def test_etag_changes_only_with_notes_and_labels(client: TestClient, record: dict[str, Any]) -> None:
    tags = [record["etag"]]
    for method, path, body in (
        ("PATCH", "/results/1", {"notes": "smudged"}),
        ("PUT", "/results/1/label", {"label": "1"}),
        ("PATCH", "/results/1", {"notes": None}),
    ):
        response = client.request(method, path, json=body)
        assert response.headers["etag"] == client.get("/results/1").headers["etag"]
        tags.append(response.headers["etag"])
    assert len(set(tags)) == len(tags)
    client.post("/classify", json=DRAWING)
    assert client.get("/results/1").headers["etag"] == tags[-1]


INVERTED = {"pixels": [[255 - level for level in row] for row in DRAWING["pixels"]]}


def test_record_of_an_inverted_drawing_has_a_hint(client: TestClient) -> None:
    raw = bytes(level for row in INVERTED["pixels"] for level in row)
    batch = {"images": [INVERTED["pixels"], DRAWING["pixels"]]}
    bytes_ = {"content": raw, "headers": {"Content-Type": "application/octet-stream"}}
    responses = [
        client.post("/classify", json=INVERTED),
        client.post("/classify/batch", json=batch),
        client.post("/classify/batch", **bytes_),
    ]
    assert [response.status_code for response in responses] == [200, 200, 200]
    hints = [client.get(f"/results/{id_}").json().get("hint") for id_ in (1, 2, 3, 4)]
    assert hints == [results.INVERTED, results.INVERTED, None, results.INVERTED]
    # Other answers keep their shape.
    assert "hint" not in responses[0].json()
    assert "hint" not in client.get("/results").text
    assert client.put("/results/1/label", json={"label": "1"}).json()["hint"] == results.INVERTED


@pytest.mark.parametrize("written", ['["a", "b"]', '"x"', "5", "[null, 1]", '{"0": 0.5}', '{"a": "b"}', "[0.5, 0.5]"])
def test_scores_that_are_not_ten_numbers_are_null(client: TestClient, database_url: str, written: str) -> None:
    client.post("/classify", json=DRAWING)
    with connected(database_url) as connection:
        connection.execute(sa.text("UPDATE drawings SET scores = :written"), {"written": written})
    response = client.get("/results/1")
    assert (response.status_code, response.json()["scores"]) == (200, None)
    assert client.put("/results/1/label", json={"label": "1"}).status_code == 200


def test_only_inverted_digits_have_a_hint(mnist_test: Digits) -> None:
    means = mnist_test.images.mean(axis=(1, 2))
    assert means.max() < results.INVERTED_ABOVE < 255 - means.max()


CHANGES: list[tuple[str, str, Any]] = [
    ("PATCH", "/results/1", {"notes": "smudged"}),
    ("PUT", "/results/1/label", {"label": "1"}),
    ("DELETE", "/results/1", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_change_with_an_outdated_etag_is_refused(
    client: TestClient, record: dict[str, Any], method: str, path: str, body: Any
) -> None:
    client.put("/results/1/label", json={"label": "4"})
    before = client.get("/results/1").json()
    for stale in (record["etag"], '"other"', f"W/{client.get('/results/1').headers['etag']}"):
        response = client.request(method, path, json=body, headers={"If-Match": stale})
        assert_problem(response, HTTPStatus.PRECONDITION_FAILED)
        assert client.get("/results/1").json() == before


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize("condition", ["its tag", "*", None])
def test_change_with_the_current_etag_is_made(
    client: TestClient, record: dict[str, Any], method: str, path: str, body: Any, condition: str | None
) -> None:
    headers = {} if condition is None else {"If-Match": record["etag"] if condition == "its tag" else condition}
    assert client.request(method, path, json=body, headers=headers).status_code in (200, 204)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_change_of_an_unknown_record_is_a_404_even_with_if_match(
    client: TestClient, method: str, path: str, body: Any
) -> None:
    for headers, id_ in product(({}, {"If-Match": '"x"'}), (1, 2**31)):
        assert_problem(
            client.request(method, path.replace("1", str(id_)), json=body, headers=headers), HTTPStatus.NOT_FOUND
        )


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_changes_need_the_key_even_if_results_are_public(
    start: Start, sqlite_url: str, method: str, path: str, body: Any
) -> None:
    client = start(DATABASE_URL=sqlite_url)
    client.post("/classify", json=DRAWING)
    for key in ({"X-API-Key": "wrong"}, {"X-API-Key": ""}):
        assert_problem(client.request(method, path, json=body, headers=key), HTTPStatus.UNAUTHORIZED)
    assert client.get("/results/1").json()["notes"] is None


def test_notes_can_be_set_replaced_and_removed(client: TestClient, record: dict[str, Any]) -> None:
    record.pop("etag")
    for notes in ("mit Häkchen 🎉\n<b>", "x" * MAX_NOTES, "", None):
        response = client.patch("/results/1", json={"notes": notes})
        assert response.json() == {**record, "notes": notes}
        assert client.get("/results/1").json() == {**record, "notes": notes}


INVALID_NOTES = [
    b"",
    b"{}",
    b"null",
    b'{"notes": 7}',
    b'{"notes": "a", "prediction": "8"}',
    b'{"notes": "a\\u0000b"}',
    b'{"notes": "\\ud800"}',
    b'{"notes": "' + b"x" * (MAX_NOTES + 1) + b'"}',
    b'{"notes": NaN}',
    b'{"notes": "\xff"}',
    b"[" * 1000,
]


def test_invalid_notes_are_refused_and_change_nothing(
    client: TestClient, record: dict[str, Any], subtests: pytest.Subtests
) -> None:
    for body in INVALID_NOTES:
        with subtests.test(body=body[:40]):
            response = client.patch("/results/1", content=body, headers={"Content-Type": "application/json"})
            assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
            assert client.get("/results/1").headers["etag"] == record["etag"]


def test_prediction_is_deleted_with_its_drawing_and_labels(client: TestClient, database_url: str) -> None:
    for _ in range(2):
        client.post("/classify", json=DRAWING)
    for prediction_id in (1, 2):
        client.put(f"/results/{prediction_id}/label", json={"label": "7"})
        execute(database_url, f"INSERT INTO reviews VALUES ({prediction_id}, true, NULL, NULL)")
        execute(database_url, f"INSERT INTO shadow_predictions VALUES ({prediction_id}, 'x', 'v2', '7', 0.5, NULL)")
    response = client.delete("/results/2")
    assert (response.status_code, response.content) == (204, b"")
    for path in ("/results/2", "/results/2/drawing.png", "/results/2/labels"):
        assert_problem(client.get(path), HTTPStatus.NOT_FOUND)
    assert_problem(client.delete("/results/2"), HTTPStatus.NOT_FOUND)
    for table in ("drawings", "labels", "reviews", "shadow_predictions"):
        assert [row["prediction_id"] for row in rows(database_url, f"SELECT prediction_id FROM {table}")] == [1]
    # The id is never reused.
    assert client.post("/classify", json=DRAWING).json()["id"] == 3


def test_deleted_data_is_not_left_in_the_file(start: Start, sqlite_url: str) -> None:
    drawing = [[(7 * row + 3 * column) % 256 for column in range(28)] for row in range(28)]
    client = start(DATABASE_URL=sqlite_url)
    client.post("/classify", json={"pixels": drawing})
    client.patch("/results/1", json={"notes": "a secret that goes"})
    path = sqlite_url.removeprefix("sqlite:///")
    for kept in (True, False):
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        content = Path(path).read_bytes()
        assert (bytes(drawing[0]) in content) is kept
        assert (b"a secret that goes" in content) is kept
        client.delete("/results/1")


@pytest.mark.parametrize("prediction_id", ["0", "-1", str(2**63), "1.5", "x", "%00", "9" * 400])
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_invalid_id_is_refused(
    sqlite_client: TestClient, method: str, path: str, body: Any, prediction_id: str
) -> None:
    response = sqlite_client.request(method, path.replace("1", prediction_id), json=body)
    assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
