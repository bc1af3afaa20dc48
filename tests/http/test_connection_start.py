"""The limits of a connection, however the service is started."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.project_copy import PROJECT, environment
from tests.support.raw_http import assert_limited
from tests.support.run_cleanup import start_process
from tests.support.service import KEY
from tests.support.service_process import serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("workers", [1, 2])
def test_uvicorn_alone_has_the_limits(sqlite_url: str, tmp_path: Path, workers: int) -> None:
    with serving(sqlite_url, tmp_path, workers=workers, fork=False) as service:
        for _ in range(4):
            assert_limited(service.port)


def test_serve_command_has_the_limits(sqlite_url: str, tmp_path: Path) -> None:
    port = free_port()
    with start_process(
        [sys.executable, "-m", "app", "serve", "--port", str(port)],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(PROJECT), DATABASE_URL=sqlite_url, SECRET_API_KEY=KEY),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as server:
        try:
            wait_until(lambda: is_listening(port), "the service listens")
            assert_limited(port)
        finally:
            server.terminate()


def is_listening(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
