"""Lanes: few expensive requests run at once, some wait, and the rest is refused."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from http import HTTPStatus

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient
from starlette.types import Message

from app.database import get_database
from app.http.errors import Busy
from app.http.lanes import BATCHES, SCANS, Lane, LaneLimits
from app.schemas.classify import SEVEN
from tests.support.digit_images import encoded, picture
from tests.support.lanes import from_address, occupy, release
from tests.support.pools import pending_writes
from tests.support.service import DRAWING, KEY, SECONDS, client_of, connected, scope_of, stored
from tests.support.waiting import wait_until

BATCH = {"json": {"images": [SEVEN] * 3}}
IMAGE = {"files": {"file": encoded(picture("4"))}}
ROUTES = pytest.mark.parametrize(("path", "request_"), [("/classify/batch", BATCH), ("/classify/image", IMAGE)])
QUICK = LaneLimits(places=3, places_per_address=2, queue_size=6, queue_size_per_address=4, wait_s=0.05)
PATIENT = QUICK._replace(wait_s=SECONDS)


async def attend(lane: Lane, address: str, leave: asyncio.Event, inside: list[str]) -> None:
    async with lane.place(from_address(address)):
        inside.append(address)
        await leave.wait()


async def begin(lane: Lane, leave: asyncio.Event, inside: list[str], *addresses: str) -> list[asyncio.Task[None]]:
    visits = [asyncio.create_task(attend(lane, address, leave, inside)) for address in addresses]
    await asyncio.sleep(0.01)
    return visits


def test_one_address_cannot_occupy_all_places() -> None:
    async def run() -> None:
        lane, leave, inside = Lane(PATIENT), asyncio.Event(), list[str]()
        visits = await begin(lane, leave, inside, "a", "a", "a", "b", "b", "c")
        assert inside == ["a", "a", "b"]
        leave.set()
        await asyncio.gather(*visits)
        assert sorted(inside) == ["a", "a", "a", "b", "b", "c"]

    asyncio.run(run())


def test_queue_is_short_and_has_room_for_other_addresses() -> None:
    async def run() -> None:
        lane, leave, inside = Lane(PATIENT), asyncio.Event(), list[str]()
        visits = await begin(lane, leave, inside, *"aaaaaa", "b", "b")
        with pytest.raises(Busy):
            await attend(lane, "a", leave, inside)
        visits += await begin(lane, leave, inside, "b")
        with pytest.raises(Busy):
            await attend(lane, "c", leave, inside)
        leave.set()
        await asyncio.gather(*visits)

    asyncio.run(run())


def test_class_behind_one_address_can_open_the_stats_at_the_same_time() -> None:
    async def run() -> None:
        lane, leave, inside = Lane(SCANS), asyncio.Event(), list[str]()
        visits = await begin(lane, leave, inside, *["a"] * 5 * 25)
        leave.set()
        await asyncio.gather(*visits)

    asyncio.run(run())


def test_waiting_ends_with_a_refusal_and_leaves_no_place_occupied() -> None:
    async def run() -> None:
        lane, leave, inside = Lane(QUICK), asyncio.Event(), list[str]()
        visits = await begin(lane, leave, inside, "a", "a", "b")
        for address in "abc":
            with pytest.raises(Busy):
                await attend(lane, address, leave, inside)
        waiting = await begin(lane, leave, inside, "a", "c")
        for visit in waiting:
            visit.cancel()
        await asyncio.wait(waiting)
        leave.set()
        await asyncio.gather(*visits)
        visits = await begin(lane, leave, inside, *"aabbcc")
        await asyncio.gather(*visits)

    asyncio.run(run())


def test_half_bodies_occupy_no_place(sqlite_client: TestClient) -> None:
    headers = ((b"x-api-key", KEY.encode()), (b"content-type", b"application/octet-stream"))

    async def run() -> None:
        async def never() -> Message:
            return await asyncio.Future()

        async def send(_message: Message) -> None:
            raise AssertionError

        halves = [
            asyncio.create_task(sqlite_client.app(scope_of("POST", path, *headers), never, send))
            for path in ("/classify/batch", "/classify/image")
            for _ in range(40)
        ]
        await asyncio.sleep(0.05)
        try:
            async with asyncio.timeout(SECONDS):
                batch = await asyncio.to_thread(lambda: sqlite_client.post("/classify/batch", **BATCH))
                image = await asyncio.to_thread(lambda: sqlite_client.post("/classify/image", **IMAGE))
                assert batch.status_code == image.status_code == 200
        finally:
            for half in halves:
                half.cancel()
            await asyncio.wait(halves)

    asyncio.run(run())


@pytest.mark.parametrize(("path", "request_", "lane"), [("/classify/batch", BATCH, "batches")])
def test_drawings_are_answered_while_a_batch_waits_for_its_place(
    sqlite_client: TestClient, sqlite_url: str, path: str, request_: dict[str, object], lane: str
) -> None:
    others = AsyncExitStack()
    occupy(sqlite_client, others, lane, *["a"] * BATCHES.places)
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(sqlite_client.post, path, **request_)
        for _ in range(5):
            assert sqlite_client.post("/classify", json=DRAWING).status_code == 200
        assert stored(sqlite_url) == (5, 5)
        assert not waiting.done()
        release(sqlite_client, others)
        assert waiting.result().status_code == 200


def test_images_need_no_place_of_batches(sqlite_client: TestClient, sqlite_url: str) -> None:
    with ThreadPoolExecutor(1) as caller:
        with connected(sqlite_url) as other:
            other.execute(text("BEGIN IMMEDIATE"))
            waiting = caller.submit(sqlite_client.post, "/classify/batch", **BATCH)
            wait_until(lambda: len(pending_writes(get_database())) == 1, "the batch waits")
            # An invalid image needs no database.
            refused = sqlite_client.post("/classify/image", files={"file": b"no image"})
            assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
            assert not waiting.done()
        assert waiting.result().status_code == 200


EXPENSIVE = ("/stats", "/models", "/stats/drift", "/results?notes_contains=a", "/results?limit=101", "/results?label=7")
CHEAP = ("/results", "/results/1", "/results?since=2026-01-01", "/results?prediction=7&limit=100", "/health/ready")


@pytest.mark.parametrize("path", EXPENSIVE)
def test_expensive_reads_wait_for_a_place(sqlite_client: TestClient, path: str) -> None:
    assert sqlite_client.post("/classify", json=DRAWING).status_code == 200
    others = AsyncExitStack()
    occupy(sqlite_client, others, "scans", *map(str, range(SCANS.places)))
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(sqlite_client.get, path)
        for cheap in CHEAP:
            assert sqlite_client.get(cheap).status_code == 200
        assert not waiting.done()
        release(sqlite_client, others)
        assert waiting.result().status_code == 200


def test_one_address_leaves_a_place_for_others(sqlite_client: TestClient) -> None:
    others = AsyncExitStack()
    occupy(sqlite_client, others, "scans", *["203.0.113.9"] * SCANS.places_per_address)
    assert client_of(sqlite_client.app, "203.0.113.8").get("/stats").status_code == 200
    release(sqlite_client, others)
