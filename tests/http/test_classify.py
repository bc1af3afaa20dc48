"""POST /classify: the response and the stored row."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.classifier import classify, get_classifier
from app.config import PROJECT_FOLDER
from app.models import Drawing, Prediction
from tests.support.databases import migrate
from tests.support.project_copy import PROJECT, run
from tests.support.service import DRAWING, KEY, connected, exchange, execute, random_drawings, rows, scope_of, stored

FIELDS = ["id", "prediction", "confidence", "not_a_digit", "scores", "model_version", "created_at"]
DIGITS = [str(digit) for digit in range(10)]
WITH_NEW_COLUMN = """
from sqlalchemy import Column, String
from app.models import Prediction
Prediction.mood = Column(String)
from app.main import app
from tests.support.service import DRAWING, client_of
with client_of(app) as client:
    print(client.post("/classify", json=DRAWING).status_code)
"""


def test_response_has_exactly_the_documented_fields(client: TestClient) -> None:
    response = client.post("/classify", json=DRAWING)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    answer = response.json()
    assert list(answer) == FIELDS
    assert answer["prediction"] in DIGITS
    assert list(answer["scores"]) == DIGITS
    assert answer["confidence"] == answer["scores"][answer["prediction"]] == max(answer["scores"].values())
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["model_version"] == get_classifier().version


def test_response_is_the_prediction_of_the_classifier(sqlite_client: TestClient) -> None:
    for drawing in random_drawings(3):
        answer = sqlite_client.post("/classify", json={"pixels": drawing.tolist()}).json()
        expected = classify(drawing)
        assert {name: answer[name] for name in expected} == expected


def test_created_at_is_the_time_of_the_request_in_utc(client: TestClient) -> None:
    before = datetime.now(UTC)
    text = client.post("/classify", json=DRAWING).json()["created_at"]
    created_at = datetime.fromisoformat(text)
    assert created_at.utcoffset() == timedelta(0)
    assert before <= created_at <= datetime.now(UTC)


def test_prediction_is_stored_with_its_drawing_and_scores(client: TestClient, database_url: str) -> None:
    drawing = random_drawings(1)[0]
    response = client.post("/classify", json={"pixels": drawing.tolist()})
    answer = response.json()
    with connected(database_url) as connection:
        (prediction,) = connection.execute(Prediction.__table__.select()).mappings().all()
        (remembered,) = connection.execute(Drawing.__table__.select()).mappings().all()
    assert dict(prediction) == {
        "id": answer["id"],
        "prediction": answer["prediction"],
        "confidence": answer["confidence"],
        "model_version": answer["model_version"],
        "created_at": datetime.fromisoformat(answer["created_at"]),
        "notes": None,
        "request_id": response.headers["x-request-id"],
        "client": "built-in",
        "not_a_digit": answer["not_a_digit"],
        "trace_id": None,
    }
    assert remembered["prediction_id"] == answer["id"]
    assert bytes(remembered["pixels"]) == drawing.tobytes()
    assert remembered["scores"] == list(answer["scores"].values())


def test_new_nullable_column_of_the_model_needs_no_value(empty_database_url: str, tmp_path: Path) -> None:
    migrate(empty_database_url)
    execute(empty_database_url, "ALTER TABLE predictions ADD COLUMN mood VARCHAR")
    settings = {"DATABASE_URL": empty_database_url, "SECRET_API_KEY": KEY, "PYTHONPATH": str(PROJECT)}
    done = run(tmp_path, sys.executable, "-c", WITH_NEW_COLUMN, **settings)
    assert (done.stdout, done.returncode) == ("200\n", 0), done.stderr
    with connected(empty_database_url) as connection:
        assert connection.execute(sa.text("SELECT mood FROM predictions")).all() == [(None,)]


def test_blank_drawing_is_classified_and_stored(client: TestClient, database_url: str) -> None:
    response = client.post("/classify", json={"pixels": np.zeros((28, 28), int).tolist()})
    assert response.status_code == 200
    assert list(response.json()) == FIELDS
    assert stored(database_url) == (1, 1)


def test_each_request_stores_a_row_with_the_next_id(client: TestClient, database_url: str) -> None:
    ids = [client.post("/classify", json=DRAWING).json()["id"] for _ in range(3)]
    assert ids == [1, 2, 3]
    assert stored(database_url) == (3, 3)


def test_id_of_a_deleted_prediction_is_not_reused(client: TestClient, database_url: str) -> None:
    deleted = client.post("/classify", json=DRAWING).json()["id"]
    execute(database_url, "DELETE FROM drawings", "DELETE FROM predictions")
    assert client.post("/classify", json=DRAWING).json()["id"] > deleted


def test_concurrent_requests_are_all_stored_with_different_ids(client: TestClient, database_url: str) -> None:
    drawings = random_drawings(60)
    with ThreadPoolExecutor(20) as callers:
        responses = list(
            callers.map(lambda drawing: client.post("/classify", json={"pixels": drawing.tolist()}), drawings)
        )
    assert {response.status_code for response in responses} == {200}
    pixels = {
        row["prediction_id"]: bytes(row["pixels"])
        for row in rows(database_url, "SELECT prediction_id, pixels FROM v_drawings")
    }
    assert pixels == {
        response.json()["id"]: drawing.tobytes() for response, drawing in zip(responses, drawings, strict=True)
    }


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(DRAWING, indent=4),
        json.dumps(DRAWING, separators=(",", ":")),
        f"\r\n\t {json.dumps(DRAWING)} \n",
        json.dumps(DRAWING).replace("pixels", r"\u0070i\u0078els"),
        json.dumps(DRAWING).replace(" 0,", " -0,", 1),
    ],
    ids=["indented", "compact", "white space around", "escaped key", "minus zero"],
)
def test_any_formatting_of_the_json_is_accepted(sqlite_client: TestClient, sqlite_url: str, body: str) -> None:
    assert sqlite_client.post("/classify", content=body).status_code == 200
    (row,) = rows(sqlite_url, "SELECT pixels FROM v_drawings")
    assert row["pixels"] == np.array(DRAWING["pixels"], np.uint8).tobytes()


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", None])
def test_content_type_is_ignored_so_that_plain_curl_works(sqlite_client: TestClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert sqlite_client.post("/classify", content=json.dumps(DRAWING), headers=headers).status_code == 200


def test_documented_example_is_accepted(sqlite_client: TestClient) -> None:
    body = (PROJECT_FOLDER / "docs/examples/seven.json").read_bytes()
    assert sqlite_client.post("/classify", content=body).status_code == 200


def test_disconnected_client_leaves_nothing_behind(
    sqlite_client: TestClient, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent = exchange(
        sqlite_client.app,
        scope_of("POST", "/classify", (b"x-api-key", KEY.encode())),
        {"type": "http.request", "body": b'{"pixels": [[', "more_body": True},
        {"type": "http.disconnect"},
    )
    assert sent == []
    assert stored(sqlite_url) == (0, 0)
    assert caplog.text == ""
