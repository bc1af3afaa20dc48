"""`traceparent`."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.service import DRAWING, random_drawings, rows
from tests.support.service_process import serving
from tests.support.waiting import wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def traces(database_url: str) -> list[str | None]:
    return [row["trace_id"] for row in rows(database_url, "SELECT trace_id FROM predictions ORDER BY id")]


@pytest.mark.parametrize("given", [f"00-{TRACE}-{SPAN}-01", f" 00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-more"])
def test_trace_is_stored_with_the_prediction(client: TestClient, database_url: str, given: str) -> None:
    answer = client.post("/classify", json=DRAWING, headers={"traceparent": given})
    assert answer.status_code == 200
    assert traces(database_url) == [TRACE]
    assert client.get(f"/results/{answer.json()['id']}").json()["trace_id"] == TRACE


def test_trace_is_stored_with_each_drawing_of_a_batch(client: TestClient, database_url: str) -> None:
    headers = {"Content-Type": "application/octet-stream", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    assert client.post("/classify/batch", content=random_drawings(3).tobytes(), headers=headers).status_code == 200
    assert traces(database_url) == [TRACE] * 3


def test_trace_is_stored_with_an_inference(sqlite_client: TestClient, sqlite_url: str) -> None:
    tensor = {"name": "drawings", "shape": [1, 28, 28], "datatype": "UINT8", "data": [DRAWING["pixels"]]}
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    answer = sqlite_client.post("/v2/models/digits/infer", json={"inputs": [tensor]}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert traces(sqlite_url) == [TRACE]


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01 x",
        f"cc-{TRACE}-{SPAN}-01more",
    ],
)
def test_invalid_trace_is_ignored(sqlite_client: TestClient, sqlite_url: str, given: str) -> None:
    answer = sqlite_client.post("/classify", json=DRAWING, headers={"traceparent": given})
    assert answer.status_code == 200
    assert traces(sqlite_url) == [None]
    assert sqlite_client.get("/results/1").json()["trace_id"] is None


def test_repeated_trace_is_ignored(sqlite_client: TestClient, sqlite_url: str) -> None:
    headers = [("traceparent", f"00-{TRACE}-{SPAN}-01")] * 2
    assert sqlite_client.post("/classify", json=DRAWING, headers=headers).status_code == 200
    assert traces(sqlite_url) == [None]


def test_trace_is_logged(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service, service.client() as client:
        client.connection.request("GET", "/health/live", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
        client.receive()
        wait_until(lambda: f" ms trace {TRACE}\n" in service.log.read_text(), "the trace is logged")
