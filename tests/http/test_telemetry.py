"""Traces and metrics over OTLP."""

import re
import socket
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.http.test_trace_context import SPAN, TRACE
from tests.support.otlp_receiver import Receiver, receiving, values_of
from tests.support.ports import free_port
from tests.support.project_copy import PROJECT, run
from tests.support.service import KEY, rows
from tests.support.service_process import classify_body, drawing, serving

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:9"

WITHOUT_PACKAGES = """\
import sys
import uvicorn

sys.modules["opentelemetry.sdk"] = None
if __name__ == "__main__":
    uvicorn.main()
"""


def served(database_url: str, folder: Path, receiver: Receiver, **settings: str) -> str:
    """Classify one drawing in a trace, read it, ask for another; return the log."""
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **settings}
    with serving(database_url, folder, **settings) as service:
        with service.client() as client:
            headers = {"X-API-Key": KEY, "X-Request-ID": "order-66", "traceparent": f"00-{TRACE}-{SPAN}-01"}
            client.connection.request("POST", "/api/classify", classify_body(drawing(Random(1))), headers)
            assert client.receive().status_code == 200
            assert client.get("/results/1").status_code == 200
            assert client.get("/results/2").status_code == 404
            assert client.get("/nowhere").status_code == 404
        service.stop()
    return service.log.read_text()


def named(receiver: Receiver, name: str) -> list[Any]:
    return [span for span in receiver.spans if span.name == name]


def test_each_request_is_a_span_in_the_trace_of_its_caller(sqlite_url: str, tmp_path: Path) -> None:
    with receiving() as receiver:
        log = served(sqlite_url, tmp_path, receiver)
    (span,) = named(receiver, "POST /classify")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.start_time_unix_nano < span.end_time_unix_nano
    assert values_of(span.attributes) == {
        "http.request.method": "POST",
        "http.route": "/classify",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/api/classify",
        "pixelwise.request_id": "order-66",
        "pixelwise.predictions": 1,
    }
    (child,) = named(receiver, "classify and store")
    assert (child.trace_id, child.parent_span_id) == (span.trace_id, span.span_id)
    assert span.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano
    found, missing = named(receiver, "GET /results/{id}")
    assert [values_of(one.attributes)["http.response.status_code"] for one in (found, missing)] == [200, 404]
    assert found.parent_span_id == b""
    (nowhere,) = named(receiver, "GET")
    assert "http.route" not in values_of(nowhere.attributes)
    # Each request is logged with its trace.
    for one in (span, found, missing, nowhere):
        assert f" trace {one.trace_id.hex()}\n" in log
    assert [row["trace_id"] for row in rows(sqlite_url, "SELECT trace_id FROM predictions")] == [TRACE]


def test_durations_and_predictions_are_metrics(sqlite_url: str, tmp_path: Path) -> None:
    with receiving() as receiver:
        served(sqlite_url, tmp_path, receiver, OTEL_SERVICE_NAME="digits")
    points = receiver.last("http.server.request.duration").histogram.data_points
    counts = {
        (values["http.request.method"], values.get("http.route"), values["http.response.status_code"]): point.count
        for point in points
        if (values := values_of(point.attributes))
    }
    assert counts == {
        ("POST", "/classify", 200): 1,
        ("GET", "/results/{id}", 200): 1,
        ("GET", "/results/{id}", 404): 1,
        ("GET", None, 404): 1,
    }
    assert receiver.last("http.server.request.duration").unit == "s"
    assert all(0 < point.sum < 30 for point in points)
    assert receiver.last("pixelwise.predictions").sum.data_points[0].as_int == 1
    assert {resource["service.name"] for resource in receiver.resources} == {"digits"}
    assert len({resource["service.instance.id"] for resource in receiver.resources}) == 1


def test_repeated_request_stores_no_further_prediction_in_the_metric(sqlite_url: str, tmp_path: Path) -> None:
    headers = {"X-API-Key": KEY, "Idempotency-Key": "once"}
    with receiving() as receiver, serving(sqlite_url, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as service:
        with service.client() as client:
            for _ in range(2):
                client.connection.request("POST", "/api/classify", classify_body(drawing(Random(1))), headers)
                assert client.receive().status_code == 200
        service.stop()
    assert receiver.last("pixelwise.predictions").sum.data_points[0].as_int == 1
    first, second = named(receiver, "POST /classify")
    assert values_of(first.attributes)["pixelwise.predictions"] == 1
    assert "pixelwise.predictions" not in values_of(second.attributes)


def test_neither_the_key_nor_pixels_are_sent(sqlite_url: str, tmp_path: Path) -> None:
    with receiving() as receiver:
        served(sqlite_url, tmp_path, receiver)
    sent = b"".join(receiver.raw)
    assert b"/classify" in sent
    assert KEY.encode() not in sent
    assert str(list(drawing(Random(1))[:5]))[1:-1].encode() not in sent


def test_failed_request_is_an_error(sqlite_url: str, tmp_path: Path) -> None:
    with receiving() as receiver:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        with serving(sqlite_url, tmp_path, **settings) as service, service.client() as client:
            (tmp_path / "pixelwise.db").rename(tmp_path / "gone.db")
            assert client.classify(drawing(Random(1))).status_code == 503
            service.stop()
    (span,) = named(receiver, "POST /classify")
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert values_of(span.attributes)["error.type"] == "503"


def test_settings_of_the_file_are_used(sqlite_url: str, tmp_path: Path) -> None:
    with receiving() as receiver:
        (tmp_path / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={receiver.url}\n")
        with serving(sqlite_url, tmp_path) as service, service.client() as client:
            assert client.get("/health/live").status_code == 200
            service.stop()
    assert named(receiver, "GET /health/live")


def test_variables_may_refer_to_secrets_in_the_file(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COLLECTOR_TOKEN=of-the-collector\n")
    with receiving() as receiver:
        headers = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer ${COLLECTOR_TOKEN}"}
        served(sqlite_url, tmp_path, receiver, **headers)
    assert receiver.authorizations == {"Bearer of-the-collector"}


def traces_logged(log: str) -> list[str]:
    return re.findall(r" trace (\w+)\n", log)


def test_nothing_is_sent_if_the_sdk_is_disabled(sqlite_url: str, tmp_path: Path) -> None:
    with receiving() as receiver:
        log = served(sqlite_url, tmp_path, receiver, OTEL_SDK_DISABLED="true")
    assert receiver.raw == []
    # Only the trace of the caller.
    assert traces_logged(log) == [TRACE]


def test_metrics_are_sent_without_traces(sqlite_url: str, tmp_path: Path) -> None:
    with receiving() as receiver:
        log = served(sqlite_url, tmp_path, receiver, OTEL_TRACES_EXPORTER="none")
    assert receiver.spans == []
    assert receiver.last("pixelwise.predictions").sum.data_points[0].as_int == 1
    assert traces_logged(log) == [TRACE]
    assert [row["trace_id"] for row in rows(sqlite_url, "SELECT trace_id FROM predictions")] == [TRACE]


@pytest.mark.parametrize("only", ["exporter", "endpoint"])
def test_traces_are_sent_without_metrics(sqlite_url: str, tmp_path: Path, only: str) -> None:
    with receiving() as receiver:
        settings = {
            "exporter": {"OTEL_METRICS_EXPORTER": "none"},
            "endpoint": {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{receiver.url}/v1/traces",
            },
        }[only]
        log = served(sqlite_url, tmp_path, receiver, **settings)
    assert named(receiver, "POST /classify")
    assert receiver.metrics == []
    assert len(traces_logged(log)) == 4
    assert "opentelemetry" not in log


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100", "max_export_batch_size must be less than or equal to max_queue_size"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", "interval value 0.0 is invalid"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "abc", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be"),
    ],
)
def test_setting_that_opentelemetry_refuses_ends_the_start(
    sqlite_url: str, tmp_path: Path, name: str, value: str, reason: str
) -> None:
    settings = {"SECRET_API_KEY": KEY, "DATABASE_URL": sqlite_url, "OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE, name: value}
    command = ("-m", "uvicorn", "app.main:app", "--port", str(free_port()))
    done = run(tmp_path, sys.executable, *command, PYTHONPATH=str(PROJECT), **settings)
    assert done.returncode == 3
    printed = done.stdout + done.stderr
    (line,) = [line for line in printed.splitlines() if "pixelwise:" in line]
    assert reason in line
    assert "Traceback" not in printed
    assert "appears unsupported" not in printed


def test_missing_packages_are_named_and_the_service_runs(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "without_packages.py").write_text(WITHOUT_PACKAGES)
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE}
    program = ("-m", "without_packages")
    with serving(sqlite_url, tmp_path, uvicorn=program, fork=False, **settings) as service:
        with service.client() as client:
            assert client.classify(drawing(Random(1))).status_code == 200
        log = service.log.read_text()
    assert log.count("OTEL_EXPORTER_OTLP_ENDPOINT is set") == 1
    assert "run: pip install -r deploy/otel/requirements.txt" in log


def test_nothing_of_it_is_loaded_without_the_setting(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, fork=False) as service:
        mapped = Path(f"/proc/{service.process.pid}/maps").read_text()
        assert "onnxruntime" in mapped
        assert "google/_upb" not in mapped


def test_receiver_that_does_not_answer_neither_slows_requests_nor_the_end(sqlite_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "90"}
        with serving(sqlite_url, tmp_path, **settings) as service:
            with service.client() as client:
                assert {client.classify(drawing(Random(number))).status_code for number in range(50)} == {200}
            # The exporter itself would wait until this test fails.
            service.stop()
