"""The access log, as uvicorn writes it."""

import json
import re
from copy import deepcopy
from http.client import HTTPConnection
from pathlib import Path
from random import Random

from uvicorn.config import LOGGING_CONFIG

from tests.support.service_process import Service, drawing, serving, wait_until


def requests_of(service: Service) -> list[str]:
    """Send some requests over one connection; return what the log should say of them."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.connect()
    host, port = connection.sock.getsockname()
    for method, path in (
        ("GET", "/health/live"),
        ("HEAD", "/api/health/live"),
        ("POST", "/classify?key=secret%20value"),
        ("GET", "/results/%22%0Aforged"),
    ):
        connection.request(method, path)
        connection.getresponse().read()
    connection.close()
    return [
        f'{host}:{port} - "GET /health/live HTTP/1.1" 200 OK',
        f'{host}:{port} - "HEAD /api/health/live HTTP/1.1" 200 OK',
        f'{host}:{port} - "POST /classify?key=secret%20value HTTP/1.1" 401 Unauthorized',
        f'{host}:{port} - "GET /results/%22%0Aforged HTTP/1.1" 422 Unprocessable Entity',
    ]


def logged(service: Service) -> list[str]:
    return re.findall(r'^INFO: {5}(\S+ - ".*)$', service.log.read_text(), re.MULTILINE)


def test_each_request_has_a_line(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        expected = requests_of(service)
        wait_until(lambda: len(logged(service)) == len(expected), "all requests are logged")
        assert logged(service) == expected


def test_requests_of_one_moment_have_a_line_each(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        clients = [service.client() for _ in range(20)]
        for number, client in enumerate(clients):
            client.send(drawing(Random(number)))
        assert [client.receive().status_code for client in clients] == [200] * 20
        wait_until(lambda: len(logged(service)) == 20, "all requests are logged")
        assert len(set(logged(service))) == 20
        for client in clients:
            client.connection.close()


def test_log_can_be_switched_off(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, UVICORN_ACCESS_LOG="false") as service:
        requests_of(service)
        service.stop()
        assert "health/live" not in service.log.read_text()


def test_colours_of_uvicorn_stay(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, UVICORN_USE_COLORS="true") as service:
        requests_of(service)
        wait_until(lambda: '"\x1b[1mGET /health/live HTTP/1.1' in service.log.read_text(), "the request is logged")


def test_format_of_a_log_configuration_is_kept(sqlite_url: str, tmp_path: Path) -> None:
    configuration = deepcopy(LOGGING_CONFIG)
    configuration["formatters"]["access"]["fmt"] = "who asks: %(client_addr)s"
    (tmp_path / "log.json").write_text(json.dumps(configuration))
    with serving(sqlite_url, tmp_path, UVICORN_LOG_CONFIG="log.json") as service:
        requests_of(service)
        wait_until(lambda: service.log.read_text().count("who asks: 127.0.0.1:") == 4, "all requests are logged")
        assert logged(service) == []
