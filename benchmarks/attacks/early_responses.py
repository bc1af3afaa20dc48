"""Do clients receive a response that the service gives before it has read their body?

`python -m benchmarks.attacks early_responses`; a few minutes. Needs curl and Node 18, and `pip install -r
benchmarks/requirements.txt`.
"""

import http.client
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import requests

from benchmarks.attacks.victim import attacked, memory_mib
from benchmarks.report import table
from tests.support.service import KEY
from tests.support.service_process import Service

MEGABYTES: Final = (2, 10, 50)
TRIES: Final = 10
TIMEOUT_S: Final = 30
# The memory for bodies is full from the start; otherwise each 503 would take ten seconds.
WITHOUT_MEMORY: Final = """
import uvicorn
from app.http import body_memory

body_memory.MAX_BYTES, body_memory.MAX_WAIT_S = 0, 0.1
uvicorn.main()
"""

NODE_HTTP: Final = """
const [url, file, key, chunked] = process.argv.slice(1);
const body = require("fs").readFileSync(file);
const headers = { "X-API-Key": key, "Content-Type": "application/octet-stream" };
if (chunked) headers["Transfer-Encoding"] = "chunked";
const request = require("http").request(url, { method: "POST", headers }, (response) => {
  response.resume().on("end", () => { console.log(response.statusCode); process.exit(); });
});
request.on("error", (error) => { console.log(error.code); process.exit(); });
request.end(body);
"""

Client = Callable[[str, Path, dict[str, str], bool], int]


class Case(NamedTuple):
    """A request that is answered before its body is read; a chunked one does not tell its size."""

    status: HTTPStatus
    path: str
    chunked: bool = True
    key: str = KEY
    rate_limit: str = "off"


CASES: Final = (
    Case(HTTPStatus.UNAUTHORIZED, "/classify/batch", key="wrong"),
    Case(HTTPStatus.NOT_FOUND, "/nowhere"),
    Case(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "/classify", chunked=False),
    Case(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "/classify"),
    Case(HTTPStatus.TOO_MANY_REQUESTS, "/classify/batch", rate_limit="1/day"),
    Case(HTTPStatus.SERVICE_UNAVAILABLE, "/classify/batch"),
)


def pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as body:
        while piece := body.read(65536):
            yield piece


def by_urllib(url: str, file: Path, headers: dict[str, str], chunked: bool) -> int:
    body: Any = pieces(file) if chunked else file.read_bytes()
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def by_http_client(url: str, file: Path, headers: dict[str, str], chunked: bool) -> int:
    _, _, host, path = url.split("/", 3)
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT_S)
    body: Any = pieces(file) if chunked else file.read_bytes()
    connection.request("POST", f"/{path}", body, headers, encode_chunked=chunked)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def by_requests(url: str, file: Path, headers: dict[str, str], chunked: bool) -> int:
    body: Any = pieces(file) if chunked else file.read_bytes()
    return requests.post(url, data=body, headers=headers, timeout=TIMEOUT_S).status_code


def by_httpx(url: str, file: Path, headers: dict[str, str], chunked: bool) -> int:
    body: Any = pieces(file) if chunked else file.read_bytes()
    return httpx.post(url, content=body, headers=headers, timeout=TIMEOUT_S).status_code


def by_curl(url: str, file: Path, headers: dict[str, str], chunked: bool) -> int:
    more = ["-H", "Transfer-Encoding: chunked"] if chunked else []
    # Without Expect, curl sends the body at once.
    options = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", *options, *more]
    done = subprocess.run(
        [*command, "--data-binary", f"@{file}", url], capture_output=True, text=True, timeout=TIMEOUT_S
    )
    return int(done.stdout) if done.returncode == 0 else -done.returncode


def by_node(url: str, file: Path, headers: dict[str, str], chunked: bool) -> int:
    arguments = [url, str(file), headers["X-API-Key"], "chunked" if chunked else ""]
    done = subprocess.run(["node", "-e", NODE_HTTP, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S)
    text = done.stdout.strip()
    return int(text) if text.isdigit() else 0


CLIENTS: Final[dict[str, Client]] = {
    "urllib": by_urllib,
    "http.client": by_http_client,
    "requests": by_requests,
    "httpx": by_httpx,
    "curl": by_curl,
    "Node": by_node,
}


def received(service: Service, case: Case, file: Path) -> list[str]:
    """Return how often each client received the status."""
    url = f"http://127.0.0.1:{service.port}{case.path}"
    headers = {"X-API-Key": case.key, "Content-Type": "application/octet-stream"}
    counts = []
    for send in CLIENTS.values():
        count = 0
        for _ in range(TRIES):
            with suppress(OSError, http.client.HTTPException, httpx.HTTPError):
                count += send(url, file, headers, case.chunked) == case.status
        counts.append(str(count))
    return counts


def attempt(case: Case) -> tuple[list[list[str]], float]:
    """Return the lines of the table, and by how many MiB the service grew."""
    lines = []
    full = case.status == HTTPStatus.SERVICE_UNAVAILABLE
    uvicorn = ("-c", WITHOUT_MEMORY) if full else ("-m", "uvicorn")
    with tempfile.NamedTemporaryFile() as body, attacked(uvicorn=uvicorn, RATE_LIMIT=case.rate_limit) as service:
        before = memory_mib(service)
        for megabytes in MEGABYTES:
            body.truncate(megabytes * 1_000_000)
            lines.append([str(case.status.value), str(megabytes), *received(service, case, Path(body.name))])
        return lines, memory_mib(service) - before


def main() -> int:
    """Send every body with every client."""
    lines, grown = [], {}
    for case in CASES:
        found, grown[case.status] = attempt(case)
        lines += found
    print(table(("response", "MB", *CLIENTS), lines))
    print("\nThe service grew by " + ", ".join(f"{mib:.0f} MiB ({status})" for status, mib in grown.items()) + ".")
    return 0 if all(count == str(TRIES) for line in lines for count in line[2:]) else 1


if __name__ == "__main__":
    sys.exit(main())
