"""A real nginx with the configuration that is deployed, HTTPS and all, in front of a service of the tests.

    with serving(sqlite_url, tmp_path) as service, https_in_front(tmp_path, service.port) as front:
        httpx2.get(front.url + "/api/health", verify=front.tls())

A browser has to accept the self-signed certificate, such as by Playwright's `ignore_https_errors=True`.
"""

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from app.http.headers import HEADERS
from tests.support.ports import free_port
from tests.support.project_copy import PROJECT, cannot_run, need, run
from tests.support.run_cleanup import start_process
from tests.support.service import KEY, PLAIN
from tests.support.service_process import Service, serving
from tests.support.waiting import PATIENCE_S, wait_until

SITE = PROJECT / "deploy/nginx.conf"
HSTS = "max-age=31536000"

# What Debian's nginx.conf has around a site, with every file in a folder of the test's own.
_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 2;
{user}
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@dataclass
class Front:
    """A running nginx."""

    process: subprocess.Popen[bytes]
    folder: Path
    https_port: int
    http_port: int

    @property
    def url(self) -> str:
        """Where the page is; the API is below /api/."""
        return f"https://127.0.0.1:{self.https_port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def log(self) -> str:
        """What it wrote about requests and errors."""
        return (self.folder / "pixelwise.log").read_text() + (self.folder / "error.log").read_text()

    def tls(self) -> ssl.SSLContext:
        """What a client needs that trusts this certificate and no other."""
        return ssl.create_default_context(cafile=self.certificate)


@contextmanager
def https_in_front(folder: Path, service_port: int, **changes: str) -> Iterator[Front]:
    """An nginx on free ports before the service on this port, which need not run; it ends with the block.

    Its files lie in a new folder `nginx` in the folder given. The changes, such as `send_timeout="1s"`, are made
    wherever its configuration has that directive, for limits that a test cannot wait for. `{"proxy_read_timeout 160s":
    "1s"}` changes it only where it has this value.
    """
    need("nginx", "nginx")
    need("openssl", "openssl")
    if not Path("/etc/nginx/mime.types").exists():
        cannot_run("/etc/nginx/mime.types is missing; to run this test: apt install nginx")
    own = folder / "nginx"
    own.mkdir()
    made = run(PROJECT, str(PROJECT / "scripts/certificate"), PIXELWISE_CERTIFICATE=str(own))
    assert made.returncode == 0, made.stderr
    https_port, http_port = free_port(), free_port()
    with _running(own, _site(own, service_port, https_port, http_port, changes), https_port) as process:
        yield Front(process, own, https_port, http_port)


@contextmanager
def http_in_front(folder: Path, locations: str) -> Iterator[str]:
    """An nginx of somebody else with these locations; the block gets its address."""
    need("nginx", "nginx")
    own = folder / "nginx"
    own.mkdir()
    port = free_port()
    with _running(own, f"server {{ listen 127.0.0.1:{port}; {locations} }}", port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(own: Path, site: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    (own / "site.conf").write_text(site)
    # The folders of a test are closed to everybody else; nginx's own user would not get in.
    user = "user root;" if os.geteuid() == 0 else ""
    (own / "nginx.conf").write_text(_AROUND.format(folder=own, user=user))
    command = ["nginx", "-e", str(own / "error.log"), "-c", str(own / "nginx.conf")]
    checked = run(own, *command, "-t")
    assert checked.returncode == 0, checked.stderr
    process = start_process(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(process, own, port), "nginx listens")
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _site(folder: Path, service_port: int, https_port: int, http_port: int, changes: Mapping[str, str]) -> str:
    """The deployed configuration with this test's ports, folders and changes."""
    site = "".join(line for line in SITE.read_text().splitlines(keepends=True) if "listen [::]" not in line)
    replaced = {
        r"listen 80 ": f"listen 127.0.0.1:{http_port} ",
        r"listen 443 ": f"listen 127.0.0.1:{https_port} ",
        r"https://\$host\$": f"https://$host:{https_port}$",
        r"127\.0\.0\.1:8000;": f"127.0.0.1:{service_port};",
        r"/opt/pixelwise/": f"{PROJECT}/",
        r"/etc/ssl/pixelwise/": f"{folder}/",
        r"/var/log/nginx/": f"{folder}/",
        r"/var/www/html": f"{folder}/proofs",
    } | {rf"\b{old}( [^;]+)?;": f"{old.partition(' ')[0]} {value};" for old, value in changes.items()}
    for old, new in replaced.items():
        site, found = re.subn(old, lambda _, new=new: new, site)
        assert found, f"{SITE.name} has nothing like {old}"
    return site


def _listens(process: subprocess.Popen[bytes], own: Path, port: int) -> bool:
    assert process.poll() is None, (own / "error.log").read_text()
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
    except ConnectionRefusedError:
        return False
    return True


class Deployed(NamedTuple):
    """nginx, the service behind it, and a client of both."""

    front: Front
    service: Service
    client: httpx2.Client


@contextmanager
def calling(front: Front, address: str = "127.0.0.1", **transport_options: Any) -> Iterator[httpx2.Client]:
    """A client with the right key that calls from this address of the machine."""
    transport = httpx2.HTTPTransport(verify=front.tls(), local_address=address, **transport_options)
    headers = {"X-API-Key": KEY}
    with httpx2.Client(base_url=front.url, transport=transport, headers=headers, timeout=PATIENCE_S) as client:
        yield client


@contextmanager
def connected(front: Front, context: ssl.SSLContext | None = None) -> Iterator[ssl.SSLSocket]:
    """A connection over TLS on which a test sends what it likes."""
    with (
        socket.create_connection(("127.0.0.1", front.https_port), PATIENCE_S) as plain,
        (context or front.tls()).wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        yield secure


@pytest.fixture(scope="module")
def deployed(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """nginx with the service behind it, for all tests of a module."""
    folder = tmp_path_factory.mktemp("deployed")
    url = f"sqlite:///{shutil.copy(migrated_sqlite_file, folder / 'pixelwise.db')}"
    with (
        serving(url, folder) as service,
        https_in_front(folder, service.port) as front,
        calling(front) as client,
    ):
        yield Deployed(front, service, client)


@pytest.fixture
def nginx_alone(tmp_path: Path) -> Iterator[tuple[Front, httpx2.Client]]:
    """nginx where no service runs, and a client of it."""
    with https_in_front(tmp_path, free_port()) as front, calling(front) as client:
        yield front, client


def assert_problem_of_nginx(response: Any, status: HTTPStatus) -> None:
    """Check that the answer looks like one of the service's errors; the wording of the title is not checked."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["strict-transport-security"] == HSTS
    assert {name: response.headers.get_list(name) for name in HEADERS} == {name: [HEADERS[name]] for name in HEADERS}
    problem = response.json()
    assert set(problem) == PLAIN
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"]
    assert problem["title"] != "Internal Server Error"
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]


def fetch(front: Front, path: str, *options: str) -> str:
    """What curl gets for a path that it sends as it is: the status, a line feed, and the body."""
    need("curl", "curl")
    trust = ("--cacert", str(front.certificate), "--path-as-is", "--max-time", str(PATIENCE_S))
    command = ("curl", "--silent", *trust, "--write-out", "%{stderr}%{http_code} %{http_version}", *options)
    got = run(PROJECT, *command, front.url + path)
    return f"{got.stderr}\n{got.stdout}"
