"""The log: a line for each request, and one format for everything."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any

import pytest
from uvicorn.config import LOGGING_CONFIG

from app.http.access_log import MAX_PATH
from tests.support.ports import free_port
from tests.support.programs import start_program
from tests.support.project_copy import PROJECT, environment, need
from tests.support.service import KEY
from tests.support.service_process import Client, Service, classify_body, drawing, serving
from tests.support.waiting import wait_until

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
REQUEST = re.compile(rf"^({TIME}) INFO access: (\S+) (\S+) (\S+) (\S+) (\d+) (\d+\.\d) ms$", re.MULTILINE)
# Tracebacks are indented.
TEXT_LINE = re.compile(rf"{TIME} (DEBUG|INFO|WARNING|ERROR) [\w.]+: .*|    .*")
REQUESTS = (
    ("GET", "/health/live"),
    ("HEAD", "/api/health/live"),
    ("POST", "/classify?key=secret%20value"),
    ("GET", "/results/%22%0Aforged"),
)
EXPECTED = [
    ("-", "GET", "/health/live", 200),
    ("-", "HEAD", "/api/health/live", 200),
    ("-", "POST", "/classify", 401),
    ("-", "GET", "/results/%22%0Aforged", 422),
]
# Breaks GET /models, with an error that tries to look like two lines.
BROKEN = """
import uvicorn
from app.services import model_versions

def fail(*_, **__):
    raise RuntimeError("first\\n2026-01-01T00:00:00.000Z INFO access: forged")

if __name__ == "__main__":
    model_versions.get_model_versions = fail
    uvicorn.main()
"""


def requests_of(service: Service) -> None:
    """Send some requests over one connection."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
    for method, path in REQUESTS:
        connection.request(method, path, headers={"X-Request-ID": f"for-{method}"})
        connection.getresponse().read()
    connection.close()


def logged(service: Service) -> list[tuple[str, str, str, int]]:
    """Client, method, path and status of each request."""
    found = REQUEST.findall(service.log.read_text())
    return [(client, method, path, int(status)) for _, _, client, method, path, status, _ in found]


def json_lines(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def test_each_request_has_a_line(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        requests_of(service)
        wait_until(lambda: len(logged(service)) == len(EXPECTED), "all requests are logged")
        assert logged(service) == EXPECTED
    for at, request_id, _, method, *_ in REQUEST.findall(service.log.read_text()):
        assert datetime.now(UTC) - datetime.fromisoformat(at) < timedelta(minutes=5)
        assert request_id == f"for-{method}"


def test_json_lines_have_the_same_members(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, fork=False, LOG_FORMAT="json") as service:
        requests_of(service)
        service.stop()
    requests = [line for line in json_lines(service) if line["logger"] == "access"]
    assert [(line["client"], line["method"], line["path"], line["status"]) for line in requests] == EXPECTED
    for line in requests:
        assert set(line) == {"time", "level", "logger", "request_id", "client", "method", "path", "status", "ms"}
        assert re.fullmatch(TIME, line["time"])
        assert (line["level"], line["request_id"]) == ("INFO", f"for-{line['method']}")
        assert line["ms"] >= 0


def test_documented_filters_read_the_log(sqlite_url: str, tmp_path: Path) -> None:
    need("jq", "jq")
    filters = re.findall(r"\| (jq -R.*)$", (PROJECT / "docs" / "operations.md").read_text(), re.MULTILINE)
    with serving(sqlite_url, tmp_path, fork=False, LOG_FORMAT="json", RATE_LIMITS="1/day") as service:
        requests_of(service)
        # As through nginx.
        with service.client() as client:
            client.connection.request("POST", "/api/classify", b"")
            client.receive()
        service.stop()
    log = "INFO  [alembic.runtime.migration] not of the service\n" + service.log.read_text()

    def filtered(command: str, log: str) -> str:
        return subprocess.run(["bash", "-c", command], input=log, capture_output=True, text=True, check=True).stdout

    problems, failed, timing = (filtered(command, log) for command in filters)
    assert json.loads(problems)["message"].startswith("RATE_LIMITS is not a setting")
    assert failed == ""
    assert set(json.loads(timing)) == {"count", "mean", "slowest"}
    assert json.loads(timing)["count"] == 2
    assert json.loads(filtered(filters[-1], "")) == {"count": 0, "mean": None, "slowest": None}


def test_path_is_logged_as_the_proxy_sends_it(sqlite_url: str, tmp_path: Path) -> None:
    paths = ["/digits/api/health/live", "/api/health/live", "/digits/health/live"]
    with serving(sqlite_url, tmp_path, UVICORN_ROOT_PATH="/digits") as service, service.client() as client:
        assert [client.get(path).status_code for path in paths] == [200] * 3
        wait_until(lambda: len(logged(service)) == 3, "all requests are logged")
        assert [path for _, _, path, _ in logged(service)] == paths


def test_requests_of_one_moment_have_a_line_each(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        clients = [service.client() for _ in range(20)]
        for number, client in enumerate(clients):
            client.send(drawing(Random(number)))
        answers = [client.receive() for client in clients]
        assert [answer.status_code for answer in answers] == [200] * 20
        wait_until(lambda: len(logged(service)) == 20, "all requests are logged")
        assert set(logged(service)) == {("built-in", "POST", "/classify", 200)}
        ids = {request_id for _, request_id, *_ in REQUEST.findall(service.log.read_text())}
        assert ids == {answer.headers["x-request-id"] for answer in answers}
        for client in clients:
            client.connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_every_line_has_one_format(sqlite_url: str, tmp_path: Path, log_format: str, workers: int) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    # The parent of workers does not import the application; the unit sets this too.
    settings = {"UVICORN_LOG_CONFIG": str(PROJECT / "app" / "uvicorn_log.json")} if workers > 1 else {}
    broken: Sequence[str] = ("-m", "broken") if workers == 1 else ("-m", "uvicorn")
    settings |= {"LOG_FORMAT": log_format, "DEBUG": "true", "RATE_LIMITS": "1/day"}
    with serving(sqlite_url, tmp_path, uvicorn=broken, workers=workers, fork=False, **settings) as service:
        requests_of(service)
        with service.client() as client:
            failed = client.get("/models")
        service.stop()
    text = service.log.read_text()
    for words in ("Started server process", "Uvicorn running on", "RATE_LIMITS is not a setting", "Finished server"):
        assert words in text
    if workers == 1:
        assert failed.status_code == 500
        assert f"request {failed.headers['x-request-id']} failed" in text
        assert "RuntimeError: first" in text
    if log_format == "text":
        for line in text.splitlines():
            assert TEXT_LINE.fullmatch(line)
            assert "forged" not in line or line.startswith("    ") or "%0Aforged" in line
    else:
        for line in json_lines(service):
            assert {"time", "level", "logger"} <= set(line)
            assert ("message" in line) != (line["logger"] == "access")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_log_has_neither_keys_nor_pixels_nor_bodies(sqlite_url: str, tmp_path: Path, log_format: str) -> None:
    pixels = drawing(Random(1))
    secrets = (KEY, "a-wrong-key", str(list(pixels[:4]))[1:-1], "kept-in-a-note")
    settings = {"LOG_FORMAT": log_format, "DEBUG": "true", "UVICORN_LOG_LEVEL": "debug"}
    with serving(sqlite_url, tmp_path, **settings) as service, service.client() as client:
        assert client.classify(pixels).status_code == 200
        for method, path, key, body in (
            ("POST", f"/classify?key={KEY}", KEY, b""),
            ("POST", "/classify", "a-wrong-key", classify_body(pixels)),
            ("POST", "/classify", KEY, classify_body(pixels)[:-9]),
            ("POST", "/classify/batch", KEY, b'{"drawings": ["kept-in-a-note"]}'),
            ("PATCH", "/results/1", KEY, b'{"notes": "kept-in-a-note"}'),
            ("GET", "/results?notes_contains=kept-in-a-note", KEY, b""),
        ):
            client.connection.request(method, path, body, {"X-API-Key": key})
            client.receive()
        service.stop()
    text = service.log.read_text()
    assert text.count("/classify") >= 5
    for secret in secrets:
        assert secret not in text


def test_long_path_is_cut(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service, service.client() as client:
        client.get("/" + "x" * 60_000)
        wait_until(lambda: logged(service), "the request is logged")
        assert logged(service)[0][2] == "/" + "x" * (MAX_PATH - 1)


def test_log_can_be_switched_off(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, UVICORN_ACCESS_LOG="false") as service:
        requests_of(service)
        service.stop()
        assert "health/live" not in service.log.read_text()


def test_log_level_of_uvicorn_is_kept(sqlite_url: str, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    settings = {"PYTHONPATH": str(PROJECT), "SECRET_API_KEY": KEY, "DATABASE_URL": sqlite_url}
    with log.open("wb") as output:
        process = start_program(
            [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--log-level", "warning"],
            cwd=tmp_path,
            env=environment(**settings),
            stdout=output.fileno(),
            stderr=output.fileno(),
        )
    wait_until(lambda: is_ready(port), "the service is ready")
    process.terminate()
    process.wait(30)
    assert log.read_text() == ""


def is_ready(port: int) -> bool:
    with suppress(OSError), Client(port) as client:
        return client.get("/health/ready").status_code == 200
    return False


def test_colours_of_uvicorn_stay(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, UVICORN_USE_COLORS="true") as service:
        requests_of(service)
        wait_until(lambda: "/health/live \x1b[32m200\x1b[0m" in service.log.read_text(), "the request is logged")
        assert "\x1b[32mINFO\x1b[0m uvicorn: Application startup complete." in service.log.read_text()


def test_format_of_a_log_configuration_is_kept(sqlite_url: str, tmp_path: Path) -> None:
    configuration = deepcopy(LOGGING_CONFIG)
    configuration["formatters"]["access"]["fmt"] = "who asks: %(client_addr)s"
    configuration["formatters"]["default"]["fmt"] = "said: %(message)s"
    (tmp_path / "log.json").write_text(json.dumps(configuration))
    with serving(sqlite_url, tmp_path, UVICORN_LOG_CONFIG="log.json") as service:
        requests_of(service)
        wait_until(lambda: service.log.read_text().count("who asks: 127.0.0.1:") == 4, "all requests are logged")
        assert "said: Application startup complete." in service.log.read_text()
        assert logged(service) == []
