"""GET /stats/calibration: confidence compared with labels."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.main import app
from tests.support.http_fixtures import Start
from tests.support.service import assert_problem, execute
from tests.support.stored_rows import BEGIN, Row, store

TIME = "%Y-%m-%dT%H:%M:%SZ"


def judged(count: int, *labels: str, first_id: int = 1, sampled: bool = False, **values: Any) -> list[Row]:
    """Store predictions, one a minute, with these labels."""
    usual = {
        "prediction": "7",
        "confidence": 0.9,
        "not_a_digit": None,
        "model_version": "v1",
        "notes": None,
        **values,
    }
    return [
        Row(id=id_, created_at=BEGIN + timedelta(minutes=id_), labels=labels, sampled=sampled, **usual)
        for id_ in range(first_id, first_id + count)
    ]


def calibration(client: TestClient, **parameters: str) -> dict[str, Any]:
    response = client.get("/stats/calibration", params=parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_no_labels_are_not_enough_data_for_calibration(client: TestClient, database_url: str) -> None:
    store(database_url, judged(300))
    assert calibration(client) == {
        "status": "not enough data",
        "labelled": 0,
        "needed": 200,
        "mean_confidence": None,
        "accuracy": None,
        "expected_calibration_error": None,
        "bins": [],
    }


def test_calibration_needs_200_labels(client: TestClient, database_url: str) -> None:
    store(database_url, judged(199, "7"))
    before = calibration(client)
    assert (before["status"], before["labelled"], before["mean_confidence"], before["accuracy"]) == (
        "not enough data",
        199,
        pytest.approx(0.9),
        1,
    )
    assert (before["expected_calibration_error"], before["bins"]) == (None, [])
    store(database_url, judged(1, "7", first_id=200))
    after = calibration(client)
    assert (after["status"], after["labelled"], len(after["bins"])) == ("ok", 200, 10)
    assert after["expected_calibration_error"] == pytest.approx(0.1)


def test_confidence_is_compared_with_accuracy_in_each_bin(client: TestClient, database_url: str) -> None:
    # The less confident half is calibrated, and the other half always wrong.
    rows = judged(50, "7", confidence=0.5) + judged(50, "1", first_id=51, confidence=0.5)
    rows += judged(100, "1", first_id=101, confidence=0.75)
    store(database_url, rows)
    answer = calibration(client)
    assert (answer["mean_confidence"], answer["accuracy"]) == (0.625, 0.25)
    assert [one["count"] for one in answer["bins"]] == [20] * 10
    assert sum(one["accuracy"] * one["count"] for one in answer["bins"][:5]) == pytest.approx(50)
    for one in answer["bins"][5:]:
        assert {name: one[name] for name in ("from", "to", "mean_confidence", "accuracy")} == {
            "from": 0.75,
            "to": 0.75,
            "mean_confidence": 0.75,
            "accuracy": 0,
        }
        # Wilson's interval for 0 of 20: z² / (20 + z²).
        assert one["interval"] == pytest.approx([0, 0.1611], abs=1e-4)


def test_earlier_label_is_ignored(client: TestClient, database_url: str) -> None:
    store(database_url, judged(100, "1", "7") + judged(100, "7", "1", "7", "2", first_id=101))
    answer = calibration(client)
    assert (answer["labelled"], answer["accuracy"]) == (200, 0.5)


def test_label_none_counts_as_a_wrong_prediction(client: TestClient, database_url: str) -> None:
    store(database_url, judged(150, "7") + judged(50, "none", first_id=151))
    assert calibration(client)["accuracy"] == 0.75


def test_unlabelled_predictions_are_ignored(client: TestClient, database_url: str) -> None:
    store(database_url, judged(200, "7", confidence=0.9) + judged(500, first_id=201, confidence=0.1))
    answer = calibration(client)
    assert (answer["labelled"], answer["mean_confidence"]) == (200, pytest.approx(0.9))


def test_random_sample_is_the_one_that_review_drew(client: TestClient, database_url: str) -> None:
    store(database_url, judged(210, "7", sampled=True) + judged(300, "1", first_id=211))
    # Drawings chosen for their small margin have a row too.
    execute(
        database_url, "INSERT INTO reviews (prediction_id, sampled) SELECT id, FALSE FROM predictions WHERE id > 210"
    )
    everything, sample = calibration(client, sample="all"), calibration(client, sample="random")
    assert (everything["labelled"], sample["labelled"]) == (510, 210)
    assert (everything["accuracy"], sample["accuracy"]) == (pytest.approx(210 / 510), 1)
    assert calibration(client) == everything


def test_calibration_can_be_limited_to_a_version_and_a_time(client: TestClient, database_url: str) -> None:
    store(database_url, judged(100, "7") + judged(60, "1", first_id=101, model_version="v2"))
    assert calibration(client, model_version="v1")["labelled"] == 100
    assert calibration(client, model_version="v2")["accuracy"] == 0
    assert calibration(client, model_version="v3")["labelled"] == 0
    tenth, hundredth = ((BEGIN + timedelta(minutes=id_)).strftime(TIME) for id_ in (10, 100))
    assert calibration(client, since=tenth)["labelled"] == 151
    assert calibration(client, since=tenth, until=hundredth)["labelled"] == 90
    assert calibration(client, since=hundredth, model_version="v1")["labelled"] == 1


def test_rows_inserted_by_hand_are_included(client: TestClient, database_url: str) -> None:
    odd = [
        judged(1, "7", first_id=id_, prediction=said)[0] for id_, said in enumerate(["seven", "", "none", "\u0667"], 1)
    ]
    store(database_url, odd + judged(196, "7", first_id=5, confidence=1))
    assert calibration(client)["accuracy"] == 0.98


@pytest.mark.parametrize(
    "query", ["sample=some", "last=300", "since=yesterday", "model_version=%00", f"model_version={'x' * 256}", "until="]
)
def test_invalid_query_is_refused(client: TestClient, query: str) -> None:
    assert_problem(client.get(f"/stats/calibration?{query}"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")


def test_documented_example_has_the_fields_of_a_real_response(client: TestClient, database_url: str) -> None:
    store(database_url, judged(200, "7"))
    answer, (example,) = calibration(client), app.openapi()["components"]["schemas"]["Calibration"]["examples"]
    assert (example.keys(), example["bins"][0].keys()) == (answer.keys(), answer["bins"][0].keys())


@pytest.mark.parametrize("path", ["/stats/calibration", "/stats/drift"])
def test_key_is_needed_unless_results_are_public(start: Start, sqlite_url: str, path: str) -> None:
    nobody = {"X-API-Key": ""}
    assert start(DATABASE_URL=sqlite_url).get(path, headers=nobody).status_code == HTTPStatus.OK
    closed = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="false")
    assert_problem(closed.get(path, headers=nobody), HTTPStatus.UNAUTHORIZED)
