"""Labels: all are kept, and the latest one is used."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.schemas.labels import MAX_LISTED
from tests.support.command_line import done
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, assert_problem, assert_storage_problem, connected, execute


def said(client: TestClient, prediction_id: int = 1) -> list[tuple[str, str]]:
    labels = client.get(f"/results/{prediction_id}/labels").json()["labels"]
    return [(label["label"], label["source"]) for label in labels]


def test_labels_are_stored_with_source_and_time_and_the_latest_is_used(client: TestClient) -> None:
    client.post("/classify", json=DRAWING)
    assert said(client) == []
    for body in ({"label": "1"}, {"label": "none", "source": "anna"}, {"label": "7", "source": "Øyvind 🎉"}):
        response = client.put("/results/1/label", json=body)
        assert (response.status_code, response.json()["label"]) == (200, body["label"])
    assert said(client) == [("7", "Øyvind 🎉"), ("none", "anna"), ("1", "built-in")]
    assert client.get("/results/1").json()["label"] == "7"
    for label in client.get("/results/1/labels").json()["labels"]:
        age = datetime.now(UTC) - datetime.fromisoformat(label["created_at"])
        assert timedelta(0) <= age < timedelta(minutes=1)


def test_confirming_the_prediction_stores_a_label(client: TestClient) -> None:
    answer = client.post("/classify", json=DRAWING).json()
    client.put("/results/1/label", json={"label": answer["prediction"]})
    assert client.get("/results?labelled=true").json()["results"][0]["label"] == answer["prediction"]


def test_label_and_note_do_not_wait_for_a_transaction_that_refers_to_the_prediction(
    start: Start, postgres_url: str
) -> None:
    client = start(DATABASE_URL=postgres_url)
    client.post("/classify", json=DRAWING)
    with connected(postgres_url) as migration:
        migration.execute(sa.text("INSERT INTO review_queue VALUES ('sample', 0, 1)"))
        assert client.put("/results/1/label", json={"label": "7"}).status_code == HTTPStatus.OK
        assert client.patch("/results/1", json={"notes": "with a bar"}).status_code == HTTPStatus.OK
        assert_storage_problem(client.delete("/results/1"))
        migration.rollback()
    assert client.delete("/results/1").status_code == HTTPStatus.NO_CONTENT


def test_concurrent_labels_are_both_stored(client: TestClient) -> None:
    client.post("/classify", json=DRAWING)
    words = [(str(number % 10), f"person {number}") for number in range(24)]
    with ThreadPoolExecutor(8) as people:
        codes = people.map(
            lambda word: client.put("/results/1/label", json={"label": word[0], "source": word[1]}).status_code, words
        )
        assert set(codes) == {200}
    assert sorted(said(client)) == sorted(words)
    assert client.get("/results/1").json()["label"] == said(client)[0][0]


def test_second_of_two_changes_with_the_same_etag_is_refused(client: TestClient) -> None:
    client.post("/classify", json=DRAWING)
    seen = {"If-Match": client.get("/results/1").headers["etag"]}
    with ThreadPoolExecutor(8) as people:
        codes = list(
            people.map(
                lambda number: client.put("/results/1/label", json={"label": str(number)}, headers=seen).status_code,
                range(8),
            )
        )
    assert sorted(codes) == [200] + [412] * 7
    assert len(said(client)) == 1


def test_label_of_an_unknown_prediction_is_a_404_and_stores_nothing(client: TestClient) -> None:
    assert_problem(client.put("/results/5/label", json={"label": "7"}), HTTPStatus.NOT_FOUND)
    assert_problem(client.get("/results/5/labels"), HTTPStatus.NOT_FOUND)
    for _ in range(5):
        client.post("/classify", json=DRAWING)
    assert said(client, 5) == []


def test_label_inserted_with_sql_is_used(client: TestClient, database_url: str) -> None:
    client.post("/classify", json=DRAWING)
    client.put("/results/1/label", json={"label": "7"})
    execute(database_url, "INSERT INTO labels (prediction_id, label) VALUES (1, '4')")
    assert said(client) == [("4", "by hand"), ("7", "built-in")]
    assert client.get("/results/1").json()["label"] == "4"


def test_only_the_newest_labels_are_listed(client: TestClient, database_url: str) -> None:
    client.post("/classify", json=DRAWING)
    client.put("/results/1/label", json={"label": "7"})
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MAX_LISTED})"
    execute(
        database_url,
        f"INSERT INTO labels (prediction_id, label, source) {numbers} SELECT 1, '4', 'person ' || i FROM n ORDER BY i",
    )
    newest = [("4", f"person {number}") for number in range(MAX_LISTED, 0, -1)]
    assert said(client) == newest
    assert len(json.loads(done("labels", "1", "--json"))["labels"]) == MAX_LISTED


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"label": 7},
        {"label": None},
        {"label": "10"},
        {"label": "7\n"},
        {"label": "\u0667"},
        {"label": "None"},
        {"label": "7", "source": ""},
        {"label": "7", "source": "x" * 65},
        {"label": "7", "source": "a\0b"},
        {"label": "7", "prediction_id": 2},
        [],
        "7",
    ],
)
def test_invalid_label_is_refused_and_stores_nothing(sqlite_client: TestClient, body: object) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    problem = assert_problem(
        sqlite_client.put("/results/1/label", json=body), HTTPStatus.UNPROCESSABLE_ENTITY, "errors"
    )
    assert problem["errors"][0]["loc"][0] == "body"
    assert said(sqlite_client) == []


def test_labels_need_the_key_unless_results_are_public(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="false")
    client.post("/classify", json=DRAWING)
    assert_problem(client.get("/results/1/labels", headers={"X-API-Key": ""}), HTTPStatus.UNAUTHORIZED)
    assert client.get("/results/1/labels").status_code == 200
