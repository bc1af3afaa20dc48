"""`python -m app serve`."""

import sys
from pathlib import Path
from random import Random

import pytest

from app.cli.exit_codes import ExitCode
from tests.support.command_line import refused, run_process
from tests.support.ports import free_port
from tests.support.programs import start_program
from tests.support.project_copy import PROJECT, environment
from tests.support.service import KEY
from tests.support.service_process import Client, classify_body, drawing
from tests.support.waiting import wait_until


@pytest.mark.parametrize("host", ["", "x86_64-conda-linux-gnu", "no such host", "::1::1"])
def test_host_that_is_no_address_is_refused_by_name(host: str) -> None:
    message = refused(ExitCode.USAGE_ERROR, "serve", "--host", host)
    assert "--host: must be an address of this machine" in message


def test_options_of_uvicorn_are_read_from_the_file(sqlite_url: str, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    lines = ("UVICORN_ROOT_PATH=/digits", "UVICORN_ACCESS_LOG=false", "FORWARDED_ALLOW_IPS=10.0.0.10,10.1.0.0/16")
    (tmp_path / ".env").write_text("\n".join(lines))
    settings = {"SECRET_API_KEY": KEY, "DATABASE_URL": sqlite_url, "RATE_LIMIT": "1/day"}
    with log.open("wb") as output:
        process = start_program(
            [sys.executable, "-m", "app", "serve", "--port", str(port)],
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(PROJECT), **settings),
            stdout=output.fileno(),
            stderr=output.fileno(),
        )
    try:
        wait_until(lambda: "Uvicorn running on" in log.read_text(), "the service has started")
        statuses = []
        with Client(port) as client:
            # This machine is not trusted, so both are one client.
            for address in ("203.0.113.1", "203.0.113.2"):
                headers = {"X-API-Key": KEY, "X-Forwarded-For": address}
                client.connection.request("POST", "/digits/classify", classify_body(drawing(Random(1))), headers)
                statuses.append(client.receive().status_code)
        assert statuses == [200, 429]
        process.terminate()
        process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
    assert "/classify" not in log.read_text()
    assert "INFO uvicorn: Application startup complete." in log.read_text()


def test_invalid_option_of_uvicorn_in_the_file_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WEB_CONCURRENCY=two\n")
    ended = run_process(tmp_path, "serve", "--port", str(free_port()))
    assert ended == (ExitCode.UNAVAILABLE, "", "pixelwise: WEB_CONCURRENCY: must be a number from 1\n")
