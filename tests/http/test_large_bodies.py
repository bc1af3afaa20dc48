"""Batches and images take turns, and everything else goes on meanwhile."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from http import HTTPStatus

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from app.database import get_database
from app.http import large_bodies
from app.http.large_bodies import AT_ONCE, MAX_INSIDE
from app.schemas.classify import SEVEN
from tests.support.digit_images import encoded, picture
from tests.support.service import DRAWING, assert_storage_problem, connected, eventually, stored

BATCH = {"json": {"images": [SEVEN] * 3}}
IMAGE = {"files": {"file": encoded(picture("4"))}}


def in_service(client: TestClient, stack: AsyncExitStack, *, inside: int = 0, turns_taken: int = 0) -> None:
    """Let somebody else be where batches and images are, on the service's own event loop."""

    async def enter() -> None:
        for _ in range(inside):
            await stack.enter_async_context(large_bodies.inside())
        for _ in range(turns_taken):
            await stack.enter_async_context(large_bodies.turn())

    assert client.portal is not None
    client.portal.call(enter)


def leave(client: TestClient, stack: AsyncExitStack) -> None:
    assert client.portal is not None
    client.portal.call(stack.aclose)


def test_no_more_than_two_have_a_turn_at_once() -> None:
    most = now = 0

    async def work() -> None:
        nonlocal most, now
        async with large_bodies.turn():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    async def run() -> None:
        large_bodies.configure()
        await asyncio.gather(*(work() for _ in range(10)))

    asyncio.run(run())
    assert most == AT_ONCE == 2


@pytest.mark.parametrize(("path", "request_"), [("/classify/batch", BATCH), ("/classify/image", IMAGE)])
def test_whoever_finds_too_many_inside_is_told_to_come_back(
    sqlite_client: TestClient, sqlite_url: str, path: str, request_: dict[str, object]
) -> None:
    others = AsyncExitStack()
    in_service(sqlite_client, others, inside=MAX_INSIDE)
    problem = assert_storage_problem(sqlite_client.post(path, **request_))
    assert str(MAX_INSIDE) in problem["detail"]
    # One drawing takes no room.
    assert sqlite_client.post("/classify", json=DRAWING).status_code == 200
    leave(sqlite_client, others)
    assert stored(sqlite_url) == (1, 1)
    # Those who were refused, or failed, left no place taken.
    for _ in range(MAX_INSIDE + 1):
        assert sqlite_client.post(path, content=b"").status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert sqlite_client.post(path, **request_).status_code == 200


def test_nobody_keeps_a_turn_while_waiting_for_the_database(sqlite_client: TestClient, sqlite_url: str) -> None:
    with ThreadPoolExecutor(AT_ONCE) as callers:
        with connected(sqlite_url) as other:
            other.execute(text("BEGIN IMMEDIATE"))
            waiting = [callers.submit(sqlite_client.post, "/classify/batch", **BATCH) for _ in range(AT_ONCE)]
            eventually(lambda: len(get_database()._open_lanes().writer._waiting._jobs) == AT_ONCE)
            # It takes a turn, and no database.
            refused = sqlite_client.post("/classify/image", files={"file": b"no image"})
            assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
            assert not any(batch.done() for batch in waiting)
        assert [batch.result().status_code for batch in waiting] == [200] * AT_ONCE


@pytest.mark.parametrize(("path", "request_"), [("/classify/batch", BATCH), ("/classify/image", IMAGE)])
def test_others_are_answered_while_one_waits_for_its_turn(
    sqlite_client: TestClient, sqlite_url: str, path: str, request_: dict[str, object]
) -> None:
    others = AsyncExitStack()
    in_service(sqlite_client, others, turns_taken=AT_ONCE)
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(sqlite_client.post, path, **request_)
        for _ in range(5):
            assert sqlite_client.post("/classify", json=DRAWING).status_code == 200
        assert stored(sqlite_url) == (5, 5)
        assert not waiting.done()
        leave(sqlite_client, others)
        assert waiting.result().status_code == 200
