"""READ_LIMIT, for public reads without the key."""

import asyncio
from http import HTTPStatus

import pytest
from starlette.types import ASGIApp, Message

from tests.support.http_fixtures import Start
from tests.support.keys import create_key
from tests.support.service import DRAWING, assert_problem, scope_of

PUBLIC = (
    "/results",
    "/results/1",
    "/results/1/labels",
    "/stats?last=1",
    "/stats",
    "/stats/timeline",
    "/stats/drift",
    "/stats/calibration",
    "/models",
)


@pytest.mark.parametrize("path", PUBLIC)
def test_public_reads_have_their_own_limit(start: Start, sqlite_url: str, path: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/day", READ_LIMIT="2/day")
    reader = {"X-API-Key": ""}
    assert client.post("/classify", json=DRAWING).status_code == 200
    assert [client.get(path, headers=reader).status_code for _ in range(3)] == [200, 200, 429]
    limited = client.get("/results", headers=reader)
    assert int(limited.headers["retry-after"]) > 0
    # The key, drawings, the page and health checks do not depend on it.
    assert client.get(path).status_code == 200
    assert client.post("/classify", json=DRAWING).status_code == 200
    assert {client.get(open_, headers=reader).status_code for open_ in ("/", "/health/ready", "/docs")} == {200}


@pytest.mark.parametrize("path", PUBLIC)
def test_guessing_keys_is_limited_on_public_paths(start: Start, sqlite_url: str, path: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/day", READ_LIMIT="100/day")
    assert client.post("/classify", json=DRAWING).status_code == 200
    guesses = [client.get(path, headers={"X-API-Key": f"guess {number}"}) for number in range(3)]
    assert [guess.status_code for guess in guesses] == [200, 200, 429]
    assert "with a wrong key" in guesses[-1].json()["detail"]
    bearer = client.get(path, headers={"X-API-Key": "", "Authorization": "Bearer pw_guess"})
    assert_problem(bearer, HTTPStatus.TOO_MANY_REQUESTS)
    # Guesses keep out neither the right key nor those without a key.
    assert client.get(path).status_code == 200
    without = [client.get(path, headers={"X-API-Key": ""}).status_code for _ in range(5)]
    assert set(without) == {200}


def test_every_public_route_counts_towards_the_limit_of_reads(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, READ_LIMIT="1/day")
    paths = client.get("/openapi.json").json()["paths"]
    nobody = {"X-API-Key": ""}
    assert client.get("/results", headers=nobody).status_code == 200
    answers = {path: client.get(path.replace("{id}", "1"), headers=nobody).status_code for path in paths}
    reads = {path for path, status in answers.items() if status == 429}
    assert reads == {path.partition("?")[0].replace("/1", "/{id}") for path in PUBLIC}


def test_key_without_the_scope_reads_as_often_as_anybody(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, READ_LIMIT="2/day")
    device, reader = create_key(client, "device", "classify"), create_key(client, "reader", "read")
    assert [client.get("/results", headers=device).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/results", headers=reader).status_code == 200


async def statuses(app: ASGIApp, path: str, count: int) -> list[int]:
    """Send so many requests without a key in the service's own loop, which takes a third of the client's time."""
    found: list[int] = []

    async def receive() -> Message:
        """Wait for the end of the connection, which nobody ends."""
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found.append(message["status"])

    for _ in range(count):
        await app(scope_of("GET", path), receive, send)
    return found


@pytest.mark.slow
def test_limit_of_reads_can_be_switched_off(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, READ_LIMIT="off")
    assert client.portal is not None
    assert set(client.portal.call(statuses, client.app, "/results/1", 700)) == {404}


def test_reads_with_the_key_are_not_limited_when_results_are_private(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, READ_LIMIT="1/day", PUBLIC_RESULTS="false")
    assert {client.get("/results").status_code for _ in range(3)} == {200}
