"""POST /classify/batch: up to 1,000 drawings, all stored or none."""

from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.http.bodies import parse_batch, parse_drawing
from app.http.edge import MAX_BODIES
from app.schemas.classify import SEVEN, BatchRequest
from tests.support.http_fixtures import Start
from tests.support.service import (
    DRAWING,
    KEY,
    assert_problem,
    assert_storage_problem,
    exchange,
    random_drawings,
    rows,
    scope_of,
    stored,
)
from tests.support.sql_statements import Statement, before_each

RAW = {"Content-Type": "application/octet-stream"}
SEVENS = [SEVEN, SEVEN]


def raw(drawings: np.ndarray[Any, Any]) -> bytes:
    return drawings.tobytes()


def test_batch_gives_the_same_predictions_as_single_drawings_in_order(client: TestClient, database_url: str) -> None:
    drawings = random_drawings(30)
    alone = [client.post("/classify", json={"pixels": drawing.tolist()}).json() for drawing in drawings]
    last = alone[-1]["id"]
    for request in ({"json": {"images": drawings.tolist()}}, {"content": raw(drawings), "headers": RAW}):
        response = client.post("/classify/batch", **request)
        assert response.status_code == 200, response.text
        results = response.json()["results"]
        assert [result["id"] for result in results] == list(range(last + 1, last + 31))
        last += 30
        for result, single in zip(results, alone, strict=True):
            assert set(result) == set(single)
            assert (result["prediction"], result["model_version"]) == (single["prediction"], single["model_version"])
            assert result["scores"] == pytest.approx(single["scores"], abs=2e-6)
    pixels = rows(database_url, "SELECT pixels FROM v_drawings ORDER BY prediction_id")
    assert [bytes(row["pixels"]) for row in pixels] == [drawing.tobytes() for drawing in drawings] * 3


def test_bytes_have_no_charset(sqlite_client: TestClient) -> None:
    headers = {"Content-Type": "application/octet-stream; charset=binary"}
    assert sqlite_client.post("/classify/batch", content=raw(random_drawings(2)), headers=headers).status_code == 200


def test_predictions_of_a_batch_are_listed_like_others(client: TestClient) -> None:
    headers = {"X-Request-ID": "a-batch"}
    results = client.post("/classify/batch", json={"images": SEVENS}, headers=headers).json()["results"]
    for result in results:
        record = client.get(f"/results/{result['id']}").json()
        assert record == {**result, "label": None, "notes": None, "request_id": "a-batch", "trace_id": None}
    assert [row["id"] for row in client.get("/results").json()["results"]] == [2, 1]


def test_batch_may_have_1_to_1000_drawings(client: TestClient, database_url: str) -> None:
    drawing = random_drawings(1)
    expected = 0
    for count in (1, 1000):
        response = client.post("/classify/batch", content=raw(drawing) * count, headers=RAW)
        assert len(response.json()["results"]) == count
        expected += count
    for request in ({"content": raw(drawing) * 1001, "headers": RAW}, {"json": {"images": [SEVEN] * 1001}}):
        problem = assert_problem(client.post("/classify/batch", **request), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
        assert "1000" in problem["detail"]
    assert stored(database_url) == (expected, expected)


WRONG = {
    "nothing": b"",
    "no drawing": b'{"images": []}',
    "one drawing": f'{{"pixels": {SEVEN}}}'.encode(),
    "no list": b'{"images": 7}',
    "a key too much": f'{{"images": [{SEVEN}], "more": 1}}'.encode(),
    "the key twice": f'{{"images": [{SEVEN}], "images": [{SEVEN}]}}'.encode(),
    "a ragged drawing": f'{{"images": [{SEVEN}, {SEVEN[1:]}]}}'.encode(),
    "not UTF-8": b'{"images": "\xff"}',
    "deep": b'{"images": ' + b"[" * 50_000,
}


@pytest.mark.parametrize("name", WRONG)
def test_invalid_batch_is_refused_and_nothing_is_stored(sqlite_client: TestClient, sqlite_url: str, name: str) -> None:
    response = sqlite_client.post("/classify/batch", content=WRONG[name])
    assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert stored(sqlite_url) == (0, 0)


@pytest.mark.parametrize("length", [0, 1, 783, 785, 784 * 2 - 1])
def test_binary_body_of_the_wrong_length_is_refused(sqlite_client: TestClient, sqlite_url: str, length: int) -> None:
    response = sqlite_client.post("/classify/batch", content=bytes(length), headers=RAW)
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert f"{length} bytes" in problem["detail"]
    assert stored(sqlite_url) == (0, 0)


def test_error_names_the_position_of_an_invalid_pixel(sqlite_client: TestClient) -> None:
    images = np.array(SEVENS)
    images[1, 5, 7] = 256
    response = sqlite_client.post("/classify/batch", json={"images": images.tolist()})
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["body", "images", 1, 5, 7]]


def test_fast_decoder_accepts_the_same_bodies_as_the_schema() -> None:
    images = random_drawings(3)
    request = BatchRequest(images=images.tolist())
    assert parse_batch(request.model_dump_json().encode()) == [image.tobytes() for image in images]
    assert parse_drawing(f'{{"pixels": {SEVEN}}}'.encode()) == parse_batch(f'{{"images": [{SEVEN}]}}'.encode())[0]


@pytest.mark.parametrize("failing", ["INSERT INTO predictions", "INSERT INTO drawings"])
def test_batch_stores_nothing_if_any_statement_fails(client: TestClient, database_url: str, failing: str) -> None:
    def fail(statement: Statement) -> None:
        if statement.text.startswith(failing):
            raise sa.exc.OperationalError(statement.text, None, Exception("made up"))

    with before_each(fail):
        assert_storage_problem(client.post("/classify/batch", json={"images": SEVENS}))
    assert stored(database_url) == (0, 0)
    assert client.post("/classify/batch", json={"images": SEVENS}).status_code == 200
    assert stored(database_url) == (2, 2)


def test_every_drawing_of_a_batch_counts_towards_the_limit(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="10/day")
    codes = [client.post("/classify/batch", json={"images": [SEVEN] * count}).status_code for count in (4, 4, 3)]
    assert codes == [200, 200, 429]
    # The refused batch counted as one call.
    assert client.post("/classify", json=DRAWING).status_code == 200
    assert_problem(client.post("/classify", json=DRAWING), HTTPStatus.TOO_MANY_REQUESTS)
    assert stored(sqlite_url) == (9, 9)


def test_error_says_that_a_batch_exceeds_the_whole_limit(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="10/day")
    assert client.post("/classify/batch", json={"images": [SEVEN] * 10}).status_code == 200
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="10/day")
    response = client.post("/classify/batch", json={"images": [SEVEN] * 11})
    problem = assert_problem(response, HTTPStatus.TOO_MANY_REQUESTS)
    assert "11 drawings in one request never fit" in problem["detail"]
    assert int(response.headers["retry-after"]) > 0


def test_only_batches_may_have_a_large_body(sqlite_client: TestClient) -> None:
    limit = MAX_BODIES["/classify/batch"]
    padded = b" " * 100_000 + f'{{"images": [{SEVEN}]}}'.encode()
    assert sqlite_client.post("/classify/batch", content=padded).status_code == 200
    for path, body in (("/classify", padded), ("/classify/batch", bytes(limit + 1)), ("/classify/batchx", padded)):
        response = sqlite_client.post(path, content=body)
        assert_problem(response, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def test_body_is_not_read_without_a_key(sqlite_client: TestClient) -> None:
    # There is no body, so reading it would fail.
    sent = exchange(sqlite_client.app, scope_of("POST", "/classify/batch", (b"x-api-key", b"wrong")))
    assert sent[0]["status"] == HTTPStatus.UNAUTHORIZED
    assert KEY not in str(sent)
