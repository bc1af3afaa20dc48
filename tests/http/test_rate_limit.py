"""RATE_LIMIT and PREVIEW_LIMIT, counted in memory."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from random import Random
from typing import Any

import pytest
from limits.storage import MemoryStorage
from starlette.testclient import TestClient

from app.http.rate_limit_memory import MemoryCounts
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, KEY, assert_problem, client_of, exchange, runtime_of, scope_of, stored
from tests.support.waiting import wait_until

DAY_S = 24 * 60 * 60


def statuses(client: TestClient, count: int, **request: Any) -> list[int]:
    return [client.post("/classify", **(request or {"json": DRAWING})).status_code for _ in range(count)]


def assert_limited(client: TestClient) -> int:
    """Check that the client has reached the limit; return Retry-After."""
    response = client.post("/classify", json=DRAWING)
    assert_problem(response, HTTPStatus.TOO_MANY_REQUESTS)
    return int(response.headers["retry-after"])


def exhaust(client: TestClient) -> Any:
    """Send invalid bodies until the limit is reached; return the 429."""
    for _ in range(200):
        response = client.post("/classify", content=b"")
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return response
    raise AssertionError("the limit was never reached")


def test_calls_over_the_limit_are_refused_and_not_stored(start: Start, database_url: str) -> None:
    client = start(DATABASE_URL=database_url, RATE_LIMIT="5/day")
    assert statuses(client, 7) == [200] * 5 + [429] * 2
    assert stored(database_url) == (5, 5)
    assert 1 <= assert_limited(client) <= DAY_S + 1


def test_default_limit_is_30_a_minute(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="")
    assert "30 per 1 minute" in exhaust(client).json()["detail"]


def test_limit_is_exact_for_concurrent_calls(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="10/day")
    with ThreadPoolExecutor(16) as callers:
        codes = list(callers.map(lambda _: client.post("/classify", json=DRAWING).status_code, range(32)))
    assert sorted(codes) == [200] * 10 + [429] * 22


def test_call_fits_after_retry_after(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="4/second")
    # Three times, because the previous window counts too.
    for _ in range(3):
        wait = int(exhaust(client).headers["retry-after"])
        assert 1 <= wait <= 2
        time.sleep(wait)
        assert client.post("/classify", json=DRAWING).status_code == 200


def test_retry_after_is_rounded_up(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="3/day")
    wait = int(exhaust(client).headers["retry-after"])
    assert DAY_S - time.time() % DAY_S <= wait <= DAY_S + 1


def test_counts_are_those_of_the_sliding_window_of_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs, random, now = MemoryCounts(), MemoryStorage(), Random(1), 1000.0
    monkeypatch.setattr("time.time", lambda: now)

    async def compare() -> None:
        nonlocal now
        for _ in range(2000):
            now += random.random() ** 4
            key, limit, expiry = random.choice([("a", 3, 1), ("b", 10, 5), ("c", 40, 60)])
            amount = random.choice([1, 1, 4])
            allowed, counted = await ours.hit(key, limit, expiry, amount)
            assert allowed == theirs.acquire_sliding_window_entry(key, limit, expiry, amount)
            assert counted == await ours.windows(key, expiry) == pytest.approx(theirs.get_sliding_window(key, expiry))

    asyncio.run(compare())


def test_window_edge_does_not_allow_twice_the_limit(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="10/second")
    # One call opens a window of one second; nine more come at its end, and ten right after it.
    statuses(client, 1, content=b"")
    time.sleep(0.85)
    begun = time.monotonic()
    passed = statuses(client, 9, content=b"").count(422)
    time.sleep(0.2)
    passed += statuses(client, 10, content=b"").count(422)
    # Besides ten, only what the elapsed time allows again.
    assert passed <= 10 * (1 + time.monotonic() - begun) + 1


def test_invalid_bodies_count(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="3/day")
    assert statuses(client, 4, content=b"no drawing") == [422] * 3 + [429]
    assert_limited(client)


def test_wrong_keys_never_keep_out_the_right_key_from_the_same_address(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="3/day")
    guess = {"json": DRAWING, "headers": {"X-API-Key": "wrong"}}
    assert statuses(client, 5, **guess) == [401] * 3 + [429] * 2
    assert "with a wrong key" in client.post("/classify", **guess).json()["detail"]
    # Its drawings are counted as if nobody had guessed.
    assert statuses(client, 4) == [200] * 3 + [429]
    assert client.get("/review").status_code == 200


def test_guessing_keys_is_limited_on_every_path(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="6/day", PUBLIC_RESULTS="false")
    client.headers["X-API-Key"] = "wrong"
    calls = (
        ("GET", "/results"),
        ("GET", "/results/1"),
        ("GET", "/results/2"),
        ("GET", "/results/1/drawing.png"),
        ("POST", "/classify"),
        ("POST", "/classify?key=7"),
    )
    assert {client.request(*call).status_code for call in calls} == {401}
    for call in calls:
        response = client.request(*call)
        assert_problem(response, HTTPStatus.TOO_MANY_REQUESTS)
        assert int(response.headers["retry-after"]) >= 1
    client.headers["X-API-Key"] = KEY
    assert client.get("/results").status_code == 200


def test_limit_of_an_address_does_not_depend_on_the_url(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="4/day")
    urls = ("/classify", "/classify?", "/api/classify", "/classify/", "/classify#5", "/%63lassify")
    codes = [client.post(url, json=DRAWING).status_code for url in urls]
    assert codes == [200, 200, 200, 200, 429, 429]


def test_every_part_of_a_combined_limit_holds(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="100/day;3/month")
    assert statuses(client, 4) == [200, 200, 200, 429]
    wrong = {"json": DRAWING, "headers": {"X-API-Key": "wrong"}}
    assert statuses(client_of(client.app, "203.0.113.2"), 4, **wrong) == [401, 401, 401, 429]


def batch_of(client: TestClient, count: int) -> Any:
    headers = {"Content-Type": "application/octet-stream"}
    return client.post("/classify/batch", content=bytes(784 * count), headers=headers)


def test_batch_refused_by_one_part_of_a_limit_does_not_count_in_another(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="6/day;4/month")
    assert_problem(batch_of(client, 5), HTTPStatus.TOO_MANY_REQUESTS)
    # The call itself counted.
    assert statuses(client, 4) == [200] * 3 + [429]
    assert stored(sqlite_url) == (3, 3)


def test_batch_may_be_as_large_as_the_limit_and_no_larger(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="5/day")
    problem = assert_problem(refused := batch_of(client, 6), HTTPStatus.TOO_MANY_REQUESTS)
    assert "6 drawings in one request never fit" in problem["detail"]
    assert "5 per 1 day" in problem["detail"]
    assert "RATE_LIMIT" in problem["detail"]
    assert 1 <= int(refused.headers["retry-after"]) <= 2 * DAY_S + 1
    other = client_of(client.app, "203.0.113.2")
    assert batch_of(other, 5).status_code == 200
    assert "never" not in batch_of(other, 5).json()["detail"]


def test_single_drawing_is_always_told_to_try_again(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day")
    assert "try again in" in exhaust(client).json()["detail"]


@pytest.mark.parametrize("used", [3, 6])
def test_batch_fits_after_retry_after(start: Start, sqlite_url: str, used: int) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="8/second")
    assert batch_of(client, used).status_code == 200
    wait = int(exhaust_by_batches(client, 6).headers["retry-after"])
    assert 1 <= wait <= 3
    time.sleep(wait)
    assert batch_of(client, 6).status_code == 200


def exhaust_by_batches(client: TestClient, count: int) -> Any:
    """Send batches of this size until one is refused for its size; return the 429."""
    for _ in range(200):
        response = batch_of(client, count)
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            if ";r=0;" not in response.headers["ratelimit"]:
                return response
            # Refused before its drawings were counted, so Retry-After is for one drawing.
            time.sleep(int(response.headers["retry-after"]))
    raise AssertionError("the limit was never reached")


@pytest.mark.parametrize("off", ["off", "OFF"])
def test_limit_can_be_switched_off(start: Start, sqlite_url: str, off: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT=off)
    assert statuses(client, 40) == [200] * 40
    assert statuses(client, 40, content=b"", headers={"X-API-Key": "wrong"}) == [401] * 40


def test_health_results_and_drawings_are_not_limited(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day")
    prediction_id = client.post("/classify", json=DRAWING).json()["id"]
    assert_limited(client)
    pages = ("/health", "/health/live", "/health/ready", "/results", f"/results/{prediction_id}")
    for page in (*pages, f"/results/{prediction_id}/drawing.png", "/docs", "/openapi.json"):
        assert {client.get(page).status_code for _ in range(3)} == {200}, page


def test_every_route_that_classifies_is_limited(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day", PREVIEW_LIMIT="1/day")
    exhaust(client)
    client.post("/classify/preview", json=DRAWING)
    writes = [
        (method, path)
        for path, methods in client.get("/openapi.json").json()["paths"].items()
        for method in methods
        if path.startswith("/classify")
    ]
    assert ("post", "/classify") in writes
    for method, path in writes:
        assert_problem(client.request(method, path), HTTPStatus.TOO_MANY_REQUESTS)


def test_previews_have_their_own_limit(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day", PREVIEW_LIMIT="3/day")

    previews = [client.post("/classify/preview", json=DRAWING).status_code for _ in range(4)]

    assert previews == [200, 200, 200, 429]
    assert statuses(client, 2) == [200, 429]


def test_guessing_keys_with_previews_counts_towards_rate_limit(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/day", PREVIEW_LIMIT="off")

    guesses = [client.post("/classify/preview", headers={"X-API-Key": "guess"}).status_code for _ in range(3)]

    assert guesses == [401, 401, 429]


def test_labels_and_notes_are_not_limited(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day")
    assert statuses(client, 1) == [200]
    labelled = [client.put("/results/1/label", json={"label": "7"}).status_code for _ in range(3)]
    assert labelled == [200] * 3
    assert client.patch("/results/1", json={"notes": "with a bar"}).status_code == 200


def test_body_of_a_limited_call_is_not_read(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day")
    exhaust(client)
    # There is no body, so reading it would fail.
    sent = exchange(client.app, scope_of("POST", "/classify", (b"x-api-key", KEY.encode())))
    assert sent[0]["status"] == HTTPStatus.TOO_MANY_REQUESTS


def test_counts_of_absent_addresses_are_deleted(start: Start, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.rate_limit_memory.SWEEP_S", 1.0)
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/second")
    memory = runtime_of(client).rate_limiter.memory
    most = 0
    for number in range(300):
        scope = scope_of("POST", "/classify")
        exchange(client.app, {**scope, "client": (f"198.51.{number // 256}.{number % 256}", 50000)})
        most = max(most, len(memory.counts))
    assert most >= 50

    def forgotten() -> bool:
        # Counting a call of another address deletes expired counts.
        client.post("/classify", content=b"")
        return len(memory.counts) <= 3

    wait_until(forgotten, "old counts are deleted")
