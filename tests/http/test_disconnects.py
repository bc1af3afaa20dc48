"""Work of clients that disconnect: what waits is dropped, and what runs is interrupted."""

import asyncio
from contextlib import AsyncExitStack, suppress
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text
from starlette.requests import ClientDisconnect, Request
from starlette.testclient import TestClient
from starlette.types import Message

from app.drawings.decoder import Decoder
from app.http.lanes import BATCHES, SCANS, while_connected
from tests.support.digit_images import encoded, picture
from tests.support.lanes import occupy, release
from tests.support.service import KEY, SECONDS, scope_of, stored


class Leaving:
    """A client that disconnects when it is told to."""

    def __init__(self, method: str, path: str, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
        self.scope = scope_of(method, path, (b"x-api-key", KEY.encode()), *headers)
        self.leave = asyncio.Event()
        self.sent: list[Message] = []
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def call(self, app: Any) -> None:
        await app(self.scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


@pytest.mark.parametrize("rounds", range(4))
def test_client_that_leaves_as_the_work_ends_does_not_cancel_what_follows(rounds: int) -> None:
    async def visit() -> None:
        client = Leaving("GET", "/stats")
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        reached = []

        async def handle() -> None:
            reached.append(await while_connected(Request(client.scope, client._receive), found))
            await asyncio.sleep(0)
            reached.append("the end")

        handling = asyncio.create_task(handle())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        client.leave.set()
        for _ in range(rounds):
            await asyncio.sleep(0)
        if not found.done():
            found.set_result("the work")
        with suppress(ClientDisconnect):
            await handling
        assert reached in ([], ["the work", "the end"])

    asyncio.run(visit())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_waiting_work_is_dropped_when_its_client_disconnects(
    sqlite_client: TestClient, sqlite_url: str, method: str
) -> None:
    raw = (b"content-type", b"application/octet-stream")
    of_batch = ("POST", "/classify/batch", bytes(784 * 2), raw)
    lane = "scans" if method == "GET" else "batches"
    others = AsyncExitStack()
    occupy(sqlite_client, others, lane, *map(str, range(SCANS.places if method == "GET" else BATCHES.places)))
    ended = Event()

    async def visit() -> list[Message]:
        client = Leaving("GET", "/stats") if method == "GET" else Leaving(*of_batch)
        waiting = asyncio.create_task(client.call(sqlite_client.app))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        client.leave.set()
        async with asyncio.timeout(SECONDS):
            await waiting
        ended.set()
        return client.sent

    assert sqlite_client.portal is not None
    assert sqlite_client.portal.call(visit) == []
    release(sqlite_client, others)
    assert stored(sqlite_url) == (0, 0)
    # Its place in the queue is free again.
    assert sqlite_client.get("/stats").json()["count"] == 0


def test_running_scan_is_interrupted_when_its_client_disconnects(
    sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, interrupted = Event(), Event()

    def endless(session: Any, _query: object) -> None:
        begun.set()
        try:
            session.execute(
                text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
            )
        finally:
            interrupted.set()

    monkeypatch.setattr("app.services.stats.get_stats", endless)

    async def visit() -> None:
        client = Leaving("GET", "/stats")
        running = asyncio.create_task(client.call(sqlite_client.app))
        assert await asyncio.to_thread(begun.wait, SECONDS)
        client.leave.set()
        async with asyncio.timeout(SECONDS):
            await running
        assert client.sent == []

    assert sqlite_client.portal is not None
    sqlite_client.portal.call(visit)
    assert interrupted.wait(SECONDS)


HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="4.png"\r\n\r\n'
FORM = HEAD + encoded(picture("4")) + b"\r\n--b--\r\n"
OF_FORM = (b"content-type", b"multipart/form-data; boundary=b")


def test_waiting_image_is_dropped_when_its_client_disconnects(
    sqlite_client: TestClient, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, reads = Event(), Event(), list[bytes]()
    decode = Decoder.read

    def wait_and_read(decoder: Decoder, data: bytes) -> bytes:
        reads.append(data)
        begun.set()
        assert go_on.wait(SECONDS)
        return decode(decoder, data)

    monkeypatch.setattr(Decoder, "read", wait_and_read)

    async def visit() -> None:
        uploads = [
            Leaving("POST", "/classify/image", FORM, (b"content-type", b"multipart/form-data; boundary=b"))
            for _ in range(31)
        ]
        calls = [asyncio.create_task(upload.call(sqlite_client.app)) for upload in uploads[:1]]
        assert await asyncio.to_thread(begun.wait, SECONDS)
        calls += [asyncio.create_task(upload.call(sqlite_client.app)) for upload in uploads[1:]]
        await asyncio.sleep(0.1)
        for upload in uploads[1:]:
            upload.leave.set()
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*calls[1:])
        go_on.set()
        await calls[0]
        assert [upload.sent == [] for upload in uploads] == [False] + [True] * 30

    assert sqlite_client.portal is not None
    sqlite_client.portal.call(visit)
    assert len(reads) == 1
    assert stored(sqlite_url) == (1, 1)
