"""Bodies of batches and images wait for memory."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from app.http import body_memory
from app.schemas.classify import SEVEN
from tests.support.digit_images import encoded, picture
from tests.support.service import DRAWING, KEY, SECONDS, assert_storage_problem, scope_of

ROUTES = pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/classify/batch", {"json": {"images": [SEVEN] * 3}}),
        ("/classify/image", {"files": {"file": encoded(picture("4"))}}),
    ],
)


@contextmanager
def half_sent(client: TestClient, message: Message) -> Iterator[None]:
    """Send a part of a batch; the client disconnects after the block."""
    headers = ((b"x-api-key", KEY.encode()), (b"content-type", b"application/octet-stream"))
    received, ended = Event(), Event()
    messages = iter([message])

    async def receive() -> Message:
        for sent in messages:
            return sent
        received.set()
        await asyncio.to_thread(ended.wait)
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        raise AssertionError

    async def run() -> None:
        await client.app(scope_of("POST", "/classify/batch", *headers), receive, send)

    assert client.portal is not None
    sending = client.portal.start_task_soon(run)
    assert received.wait(SECONDS)
    try:
        yield
    finally:
        ended.set()
        sending.result(SECONDS)


@ROUTES
def test_large_body_waits_while_too_much_is_in_memory(
    sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, request_: dict[str, object]
) -> None:
    monkeypatch.setattr(body_memory, "MAX_BYTES", 20_000)
    first = {"type": "http.request", "body": bytes(19_900), "more_body": True}
    with ThreadPoolExecutor(1) as caller, half_sent(sqlite_client, first):
        waiting = caller.submit(sqlite_client.post, path, **request_)
        # A single drawing needs no room.
        assert sqlite_client.post("/classify", json=DRAWING).status_code == 200
        assert not waiting.done()
    assert waiting.result().status_code == 200
    monkeypatch.setattr(body_memory, "MAX_WAIT_S", 0.05)
    with half_sent(sqlite_client, first):
        assert_storage_problem(sqlite_client.post(path, **request_))
    assert sqlite_client.post(path, **request_).status_code == 200
