"""The service in this process: requests over HTTP, and SQL on its tables."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import Thread
from typing import Any

import numpy as np
import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Scope

from app.http.runtime import Runtime
from app.schemas.classify import SEVEN
from tests.support.connections import connected
from tests.support.waiting import wait_until

KEY = "a-key-that-opens-nothing-outside-of-the-tests"
ADDRESS = "203.0.113.1"
DRAWING = {"pixels": SEVEN}
SECONDS = 10
AGAIN = "Send the request again."
LOOK = "Look whether it was stored before you send it again."
REPEAT = "Send the request again with the same Idempotency-Key; it is then stored once."

# The members of every problem.
PLAIN = {"type", "title", "status", "detail", "request_id"}


def client_of(app: ASGIApp, address: str = ADDRESS) -> TestClient:
    """A client with the right key that calls from this address."""
    return TestClient(app, headers={"X-API-Key": KEY}, client=(address, 50000))


def runtime_of(client: TestClient) -> Runtime:
    """Return the state of the running service."""
    assert isinstance(client.app, Starlette)
    runtime: Runtime = client.app.state.runtime
    return runtime


def assert_problem(response: Any, status: HTTPStatus, *more: str) -> dict[str, Any]:
    """Check that the response is a problem with these additional members; return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert set(problem) == PLAIN | set(more)
    assert problem["type"] == "about:blank"
    assert (problem["title"], problem["status"]) == (status.phrase, status)
    assert isinstance(problem["detail"], str)
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


def assert_storage_problem(response: Any, status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE) -> dict[str, Any]:
    """Check that the response says that nothing was stored, and has Retry-After."""
    assert int(response.headers["retry-after"]) > 0
    problem = assert_problem(response, status)
    assert "nothing was stored" in problem["detail"]
    return problem


def assert_outcome_unknown(response: Any, advice: str) -> None:
    """Check that the response says that the outcome is unknown, and has Retry-After only if it may be repeated."""
    problem = assert_problem(response, HTTPStatus.SERVICE_UNAVAILABLE, "stored")
    assert problem["stored"] == "unknown"
    assert advice in problem["detail"]
    assert response.headers.get("retry-after") == ("1" if "Send the request again" in problem["detail"] else None)


def assert_not_stored_or_unknown(response: Any) -> None:
    """Check that the response says that nothing was stored, or that the outcome is unknown."""
    if "stored" in response.json():
        assert_outcome_unknown(response, "")
    else:
        assert_storage_problem(response)


def random_drawings(count: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Drawings of noise: uint8 (count, 28, 28)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


def execute(database_url: str, *statements: str) -> None:
    """Execute the statements in one transaction."""
    with connected(database_url) as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def rows(database_url: str, query: str) -> list[dict[str, Any]]:
    """The rows that a query finds, by column."""
    with connected(database_url) as connection:
        return [dict(row) for row in connection.execute(sa.text(query)).mappings()]


def delete_rows(database_url: str) -> None:
    """Empty every table of an SQLite database that a service may be using; ids begin at one again."""
    with connected(database_url) as connection:
        tables = connection.scalars(
            sa.text(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
                " AND name NOT IN ('alembic_version', 'schema_compatibility') AND name NOT LIKE 'notes_search%'"
                # First, because their triggers fill other tables.
                " ORDER BY name <> 'predictions'"
            )
        ).all()
        for table in tables:
            connection.execute(sa.text(f'DELETE FROM "{table}"'))


def stored(database_url: str) -> tuple[int, int]:
    """The numbers of stored predictions and drawings."""
    (counts,) = rows(
        database_url,
        "SELECT (SELECT count(*) FROM predictions) AS predictions, (SELECT count(*) FROM drawings) AS drawings",
    )
    return counts["predictions"], counts["drawings"]


@contextmanager
def hidden(database_url: str, table: str) -> Iterator[None]:
    """Rename a table for a while, so that statements fail."""
    execute(database_url, f"ALTER TABLE {table} RENAME TO hidden")
    try:
        yield
    finally:
        execute(database_url, f"ALTER TABLE hidden RENAME TO {table}")


def start_problem(app: ASGIApp) -> str | None:
    """Start and stop the application as a server does; return why it did not start, or None."""
    sent: list[Message] = []

    async def start_and_stop() -> None:
        received: asyncio.Queue[Message] = asyncio.Queue()
        for kind in ("lifespan.startup", "lifespan.shutdown"):
            received.put_nowait({"type": kind})

        async def send(message: Message) -> None:
            sent.append(message)

        async with asyncio.timeout(SECONDS):
            await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, received.get, send)

    asyncio.run(start_and_stop())
    if sent[0]["type"] == "lifespan.startup.failed":
        return str(sent[0]["message"])
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    return None


def scope_of(method: str, path: str, *headers: tuple[bytes, bytes]) -> Scope:
    """The ASGI scope of this request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), *headers],
        "client": (ADDRESS, 50000),
        "server": ("testserver", 80),
    }


def exchange(app: ASGIApp, scope: Scope, *received: Message) -> list[Message]:
    """Pass a request to the application in exactly these messages; return the messages it sends.

    The application fails when it asks for more than there is.
    """
    sent: list[Message] = []
    pieces = iter(received)

    async def receive() -> Message:
        return next(pieces)

    async def send(message: Message) -> None:
        sent.append(message)

    async def serve() -> None:
        async with asyncio.timeout(SECONDS):
            await app(scope, receive, send)

    asyncio.run(serve())
    return sent


@contextmanager
def served(app: ASGIApp, protocol: type[asyncio.Protocol] | str = "auto") -> Iterator[int]:
    """Serve a started application with uvicorn on a free port."""
    config = uvicorn.Config(app, port=0, http=protocol, lifespan="off", ws="none", log_level="critical")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server has started")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()
