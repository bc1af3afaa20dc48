"""GET /metrics: what is counted and measured, in one process."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from math import isnan
from pathlib import Path

import pytest
from sqlalchemy import event, text, update
from starlette.testclient import TestClient

from app.http.rate_limit_admin import CHANGES
from app.models import Prediction
from tests.support.backups import take_backup
from tests.support.hanging_writes import Hanging
from tests.support.http_fixtures import Start
from tests.support.metrics import REFRESHED, Metrics, refreshed
from tests.support.pools import pending_writes
from tests.support.project_copy import need
from tests.support.service import (
    ADDRESS,
    DRAWING,
    KEY,
    LOOK,
    assert_outcome_unknown,
    assert_problem,
    connected,
    random_drawings,
    runtime_of,
)
from tests.support.stored_rows import random_rows, store
from tests.support.waiting import wait_until

SECONDS = "http_server_request_duration_seconds_count"


def test_metrics_need_the_key(sqlite_client: TestClient) -> None:
    del sqlite_client.headers["X-API-Key"]
    assert_problem(sqlite_client.get("/metrics"), HTTPStatus.UNAUTHORIZED)
    response = sqlite_client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["cache-control"] == "private, no-store"


def test_promtool_finds_nothing_wrong_with_the_metrics(client: TestClient) -> None:
    need("promtool", "prometheus")
    assert client.post("/classify", json=DRAWING).status_code == 200
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=refreshed(client).text, capture_output=True, text=True, timeout=60
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_requests_are_counted_by_the_template_of_their_route(sqlite_client: TestClient) -> None:
    calls = [
        ("GET", "/results/1", "/results/{id}", "404"),
        ("GET", "/api/results/2", "/results/{id}", "404"),
        ("PUT", "/results/1", "/results/{id}", "405"),
        ("HEAD", "/health", "/health", "200"),
        ("GET", "/", "files", "200"),
        ("GET", "/static/no.css", "files", "404"),
        ("GET", "/no/such/path", "unknown", "404"),
        ("BREW", "/results", "/results", "405"),
        ("POST", "/classify", "/classify", "422"),
    ]
    before = Metrics.of(sqlite_client)
    for method, path, _, status in calls:
        assert str(sqlite_client.request(method, path).status_code) == status
    after = Metrics.of(sqlite_client)
    for method, _, route, status in calls:
        labels = {
            "http_request_method": method.replace("BREW", "_OTHER"),
            "http_route": route,
            "http_response_status_code": status,
        }
        assert after.since(before, SECONDS, **labels) == [call[2:] for call in calls if call[0] == method].count(
            (route, status)
        ), labels


def test_stored_predictions_are_counted_once(client: TestClient) -> None:
    before = Metrics.of(client)
    once = {"Idempotency-Key": "the same"}
    answers = [client.post("/classify", json=DRAWING, headers=once).json() for _ in range(3)][:1]
    images = random_drawings(12).tolist()
    answers += client.post("/classify/batch", json={"images": images}).json()["results"]
    client.post("/classify/preview", json=DRAWING)
    after = Metrics.of(client)
    for digit in {answer["prediction"] for answer in answers}:
        labels = {"model_version": answers[0]["model_version"], "digit": digit}
        expected = [answer["prediction"] for answer in answers].count(digit)
        assert after.since(before, "pixelwise_predictions_total", **labels) == expected
    not_digits = sum(answer["not_a_digit"] > 0.5 for answer in answers)
    assert not_digits
    assert after.since(before, "pixelwise_not_digits_total") == not_digits
    assert after.since(before, "pixelwise_prediction_confidence_count") == len(answers)
    total = sum(answer["confidence"] for answer in answers)
    assert after.since(before, "pixelwise_prediction_confidence_sum") == pytest.approx(total)


@pytest.mark.parametrize("count", [1, 3])
def test_predictions_of_an_unknown_outcome_are_counted_once_stored(sqlite_client: TestClient, count: int) -> None:
    database, hanging = runtime_of(sqlite_client).database, Hanging()
    before = Metrics.of(sqlite_client)
    event.listen(database.engine, "commit", hanging.wait)
    pending_writes(database).timeout_s = 0.5
    response = sqlite_client.post("/classify/batch", json={"images": random_drawings(count).tolist()})
    assert_outcome_unknown(response, LOOK)
    hanging.release()

    def stored() -> float:
        return Metrics.of(sqlite_client).since(before, "pixelwise_prediction_confidence_count")

    wait_until(lambda: stored() == count, "the batch is counted")


def test_batches_are_measured(client: TestClient) -> None:
    before = Metrics.of(client)
    client.post("/classify", json=DRAWING)
    client.post("/classify/batch", json={"images": random_drawings(7).tolist()})
    after = Metrics.of(client)
    assert after.since(before, "pixelwise_batch_size_count") == 2
    assert after.since(before, "pixelwise_batch_size_sum") == 8
    assert after.since(before, "pixelwise_inference_seconds_count") == 2
    # Each call of /metrics writes, too, unless the last check was just now.
    assert after.since(before, "pixelwise_db_write_seconds_count") in (2, 3)
    assert after.since(before, "pixelwise_db_write_seconds_sum") > 0


def test_labels_are_counted_by_their_outcome(client: TestClient) -> None:
    answer = client.post("/classify", json=DRAWING).json()
    other = "3" if answer["prediction"] != "3" else "4"
    before = Metrics.of(client)
    for label in (answer["prediction"], other, "none", "none"):
        assert client.put(f"/results/{answer['id']}/label", json={"label": label}).status_code == 200
    assert client.put("/results/999/label", json={"label": "1"}).status_code == 404
    after = Metrics.of(client)
    for outcome, count in (("confirmed", 1), ("corrected", 1), ("not_a_digit", 2)):
        assert after.since(before, "pixelwise_labels_total", outcome=outcome) == count


def test_refusals_by_a_rate_limit_are_counted(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/hour", PREVIEW_LIMIT="1/hour")
    before = Metrics.of(client)
    for path in ("/classify", "/classify/preview"):
        for _ in range(4):
            client.post(path, json=DRAWING)
    after = Metrics.of(client)
    assert after.since(before, "pixelwise_rate_limited_total", limit="classify") == 2
    assert after.since(before, "pixelwise_rate_limited_total", limit="preview") == 3


def test_refused_changes_of_keys_are_counted(sqlite_client: TestClient) -> None:
    before = Metrics.of(sqlite_client)
    for _ in range(int(CHANGES.partition("/")[0]) + 2):
        sqlite_client.post("/keys/phone/rotate")
    assert Metrics.of(sqlite_client).since(before, "pixelwise_rate_limited_total", limit="admin") == 2


def test_queue_has_the_requests_that_wait(sqlite_client: TestClient, sqlite_url: str) -> None:
    def length() -> float:
        return Metrics.of(sqlite_client).value("pixelwise_queue_length", queue="write") or 0

    with ThreadPoolExecutor(5) as callers, connected(sqlite_url) as other:
        other.execute(text("BEGIN IMMEDIATE"))
        calls = [callers.submit(sqlite_client.post, "/classify", json=DRAWING) for _ in range(5)]
        wait_until(lambda: length() >= 5, "five requests wait")
        other.rollback()
        assert {call.result().status_code for call in calls} == {200}
    wait_until(lambda: length() == 0, "no request waits")


@pytest.mark.slow
def test_checks_of_readiness_are_gauges(sqlite_client: TestClient, tmp_path: Path) -> None:
    assert Metrics.of(sqlite_client).by("check", "pixelwise_ready") == {"model": 1, "schema": 1, "write": 1}
    (tmp_path / "pixelwise.db").rename(tmp_path / "moved.db")
    wait_until(lambda: Metrics.of(sqlite_client).by("check", "pixelwise_ready")["write"] == 0, "the check fails")
    (tmp_path / "moved.db").rename(tmp_path / "pixelwise.db")
    wait_until(lambda: Metrics.of(sqlite_client).by("check", "pixelwise_ready")["write"] == 1, "the check is ok")


def test_model_has_its_version_and_checksum(sqlite_client: TestClient) -> None:
    model = runtime_of(sqlite_client).classifier
    found = Metrics.of(sqlite_client)
    assert found.value("pixelwise_model_info", model_version=model.version, sha256=model.sha256) == 1


def test_too_few_drawings_and_labels_are_not_called_good(client: TestClient) -> None:
    client.post("/classify", json=DRAWING)
    found = refreshed(client)
    assert found.by("status", "pixelwise_drift_status") == {"no drift": 0, "drift": 0, "not enough data": 1}
    assert found.by("status", "pixelwise_calibration_status") == {"ok": 0, "not enough data": 1}
    assert found.value("pixelwise_labelled_predictions") == 0
    for name in ("calibration_error", "accuracy", "labelled_confidence"):
        assert isnan(found.value(f"pixelwise_{name}") or 0)
    assert all(isnan(value) for value in found.by("bound", "pixelwise_accuracy_interval").values())
    assert all(isnan(value) for value in found.by("signal", "pixelwise_drift_psi").values())


def test_drift_and_accuracy_are_those_of_the_api(client: TestClient, database_url: str) -> None:
    store(database_url, random_rows(1500), drawings=True)
    version, now = runtime_of(client).classifier.version, datetime.now(UTC)
    with connected(database_url) as connection:
        connection.execute(update(Prediction).values(created_at=now, model_version=version))
    found = refreshed(client)
    drift = client.get("/stats/drift").json()
    assert found.by("status", "pixelwise_drift_status")[drift["status"]] == 1
    assert drift["signals"]
    for signal in drift["signals"]:
        assert found.value("pixelwise_drift_psi", signal=signal["name"]) == signal["psi"]
        assert found.value("pixelwise_drift_detected", signal=signal["name"]) == signal["drifted"]
    query = {"sample": "random", "since": (now - timedelta(days=1)).isoformat()}
    calibration = client.get("/stats/calibration", params=query).json()
    accuracy = client.get("/stats", params={"since": query["since"]}).json()["accuracy_random"]
    assert found.by("status", "pixelwise_calibration_status") == {"ok": 1, "not enough data": 0}
    assert found.value("pixelwise_calibration_error") == calibration["expected_calibration_error"]
    assert found.value("pixelwise_labelled_predictions") == calibration["labelled"] == accuracy["labelled"]
    assert found.value("pixelwise_labelled_confidence") == calibration["mean_confidence"]
    assert found.value("pixelwise_accuracy") == calibration["accuracy"]
    bounds = found.by("bound", "pixelwise_accuracy_interval")
    assert [bounds["low"], bounds["high"]] == pytest.approx(accuracy["interval"], abs=1e-6)


def test_change_of_the_model_is_no_drift(client: TestClient, database_url: str) -> None:
    version, rows = runtime_of(client).classifier.version, random_rows(3000)
    before = [row._replace(model_version="old", confidence=row.confidence / 2) for row in rows[:2000]]
    store(database_url, [*before, *(row._replace(model_version=version) for row in rows[2000:])], drawings=True)
    assert client.get("/stats/drift").json()["status"] == "drift"
    found = refreshed(client)
    assert found.by("status", "pixelwise_drift_status") == {"no drift": 0, "drift": 0, "not enough data": 1}


def test_slow_gauges_are_computed_once_in_five_minutes(sqlite_client: TestClient) -> None:
    first = refreshed(sqlite_client).value(REFRESHED)
    sqlite_client.post("/classify", json=DRAWING)
    assert Metrics.of(sqlite_client).value(REFRESHED) == first


def test_database_and_its_disk_have_a_size(client: TestClient, database_url: str) -> None:
    found = refreshed(client)
    assert (found.value("pixelwise_db_size_bytes") or 0) > 50_000
    if database_url.startswith("sqlite"):
        free, size = (found.value(f"pixelwise_disk_{name}_bytes") or 0 for name in ("free", "size"))
        assert 0 < free < size


def test_last_backup_has_its_time(start: Start, sqlite_url: str, tmp_path: Path) -> None:
    last = "pixelwise_last_backup_timestamp_seconds"
    assert refreshed(start(DATABASE_URL=sqlite_url)).value(last) == 0
    manifest = take_backup(tmp_path).name + ".manifest.json"
    made = datetime.fromisoformat(json.loads((tmp_path / "backups" / manifest).read_text())["created_at"])
    assert refreshed(start(DATABASE_URL=sqlite_url)).value(last) == made.timestamp()
    assert isnan(refreshed(start(DATABASE_URL=sqlite_url, PIXELWISE_BACKUP="off")).value(last) or 0)


def test_metrics_name_no_client(sqlite_client: TestClient) -> None:
    sqlite_client.post("/classify", json=DRAWING, headers={"X-Request-ID": "a-request", "Idempotency-Key": "a-key"})
    found = Metrics.of(sqlite_client).text
    for secret in (KEY, ADDRESS, "built-in", "a-request", "a-key"):
        assert secret not in found
