"""Limits for batches and images: how many are in memory, and how many are processed in parallel."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from http import HTTPStatus

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from app.database import get_database
from app.http.large_bodies import MAX_ADMITTED, MAX_IN_PARALLEL, LargeBodies
from app.schemas.classify import SEVEN
from tests.support.digit_images import encoded, picture
from tests.support.service import DRAWING, assert_storage_problem, connected, eventually, runtime_of, stored

BATCH = {"json": {"images": [SEVEN] * 3}}
IMAGE = {"files": {"file": encoded(picture("4"))}}
ROUTES = pytest.mark.parametrize(("path", "request_"), [("/classify/batch", BATCH), ("/classify/image", IMAGE)])


def occupy(client: TestClient, stack: AsyncExitStack, *, admitted: int = 0, slots: int = 0) -> None:
    """Take places and slots, on the service's event loop."""
    large_bodies = runtime_of(client).large_bodies

    async def enter() -> None:
        for _ in range(admitted):
            stack.enter_context(large_bodies.admit())
        for _ in range(slots):
            await stack.enter_async_context(large_bodies.slot())

    assert client.portal is not None
    client.portal.call(enter)


def release(client: TestClient, stack: AsyncExitStack) -> None:
    assert client.portal is not None
    client.portal.call(stack.aclose)


def test_two_slots_are_held_at_once() -> None:
    most = now = 0

    async def work(large_bodies: LargeBodies) -> None:
        nonlocal most, now
        async with large_bodies.slot():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    async def run() -> None:
        large_bodies = LargeBodies()
        await asyncio.gather(*(work(large_bodies) for _ in range(10)))

    asyncio.run(run())
    assert most == MAX_IN_PARALLEL == 2


@ROUTES
def test_large_body_is_refused_while_too_many_are_in_memory(
    sqlite_client: TestClient, sqlite_url: str, path: str, request_: dict[str, object]
) -> None:
    others = AsyncExitStack()
    occupy(sqlite_client, others, admitted=MAX_ADMITTED)
    problem = assert_storage_problem(sqlite_client.post(path, **request_))
    assert str(MAX_ADMITTED) in problem["detail"]
    # A single drawing needs no place.
    assert sqlite_client.post("/classify", json=DRAWING).status_code == 200
    release(sqlite_client, others)
    assert stored(sqlite_url) == (1, 1)
    # Refused and failed requests free their place.
    for _ in range(MAX_ADMITTED + 1):
        assert sqlite_client.post(path, content=b"").status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert sqlite_client.post(path, **request_).status_code == 200


def test_batch_holds_no_slot_while_it_waits_for_the_database(sqlite_client: TestClient, sqlite_url: str) -> None:
    with ThreadPoolExecutor(MAX_IN_PARALLEL) as callers:
        with connected(sqlite_url) as other:
            other.execute(text("BEGIN IMMEDIATE"))
            waiting = [callers.submit(sqlite_client.post, "/classify/batch", **BATCH) for _ in range(MAX_IN_PARALLEL)]
            eventually(lambda: len(get_database().pending_writes) == MAX_IN_PARALLEL)
            # An image needs a slot, and an invalid one no database.
            refused = sqlite_client.post("/classify/image", files={"file": b"no image"})
            assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
            assert not any(batch.done() for batch in waiting)
        assert [batch.result().status_code for batch in waiting] == [200] * MAX_IN_PARALLEL


@ROUTES
def test_drawings_are_answered_while_a_large_body_waits_for_a_slot(
    sqlite_client: TestClient, sqlite_url: str, path: str, request_: dict[str, object]
) -> None:
    others = AsyncExitStack()
    occupy(sqlite_client, others, slots=MAX_IN_PARALLEL)
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(sqlite_client.post, path, **request_)
        for _ in range(5):
            assert sqlite_client.post("/classify", json=DRAWING).status_code == 200
        assert stored(sqlite_url) == (5, 5)
        assert not waiting.done()
        release(sqlite_client, others)
        assert waiting.result().status_code == 200
