"""`RateLimit` and `RateLimit-Policy`."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.http_fixtures import Start
from tests.support.ports import free_port
from tests.support.redis_server import redis_server, redis_uri
from tests.support.service import DRAWING

DAY_S = 24 * 60 * 60
NAMES = {"ratelimit", "ratelimit-policy"}


def left(response: Any) -> dict[str, tuple[int, int]]:
    """What is left of each part of the limit, and the seconds until it is more."""
    text = response.headers["ratelimit"]
    parts = re.findall(r'"([a-z0-9-]+)";r=(\d+);t=(\d+)', text)
    assert ", ".join(f'"{name}";r={r};t={t}' for name, r, t in parts) == text
    return {name: (int(r), int(t)) for name, r, t in parts}


def classified(client: TestClient, **request: Any) -> Any:
    return client.post("/classify", **(request or {"json": DRAWING}))


def batch_of(client: TestClient, count: int) -> Any:
    headers = {"Content-Type": "application/octet-stream"}
    return client.post("/classify/batch", content=bytes(784 * count), headers=headers)


def test_headers_count_down_to_a_429(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="3/day")
    answers = [classified(client) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [left(answer)["classify"][0] for answer in answers] == [2, 1, 0, 0]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {f'"classify";q=3;w={DAY_S}'}
    for answer in answers:
        assert 0 < left(answer)["classify"][1] <= DAY_S
    assert left(answers[3])["classify"][1] <= int(answers[3].headers["retry-after"])


def test_invalid_requests_have_them_too(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="30/day")
    refused = classified(client, content=b"no drawing")
    assert refused.status_code == 422
    assert left(refused)["classify"][0] == 29


def test_every_part_of_a_limit_has_its_own_item(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="9/day;4/month")
    answer = batch_of(client, 3)
    assert answer.headers["ratelimit-policy"] == f'"classify-{DAY_S}";q=9;w={DAY_S}, "classify-2592000";q=4;w=2592000'
    assert {name: rest for name, (rest, _) in left(answer).items()} == {f"classify-{DAY_S}": 6, "classify-2592000": 1}


def test_refused_batch_counts_its_call_only(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="5/day")
    refused = batch_of(client, 6)
    assert refused.status_code == 429
    assert left(refused)["classify"][0] == 4


def test_refused_drawing_counts_in_no_part(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="9/day;4/month")
    answers = [classified(client) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 3
    assert {name: rest for name, (rest, _) in left(answers[-1]).items()} == {
        f"classify-{DAY_S}": 5,
        "classify-2592000": 0,
    }


def test_each_kind_of_request_has_its_name(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="5/day", PREVIEW_LIMIT="6/day", READ_LIMIT="7/day")
    wrong = {"X-API-Key": "wrong"}
    answers = [
        client.post("/classify/preview", json=DRAWING),
        client.get("/results", headers=wrong),
        client.head("/results/1", headers=wrong),
        client.post("/classify", json=DRAWING, headers=wrong),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 401]
    rests = [{name: rest for name, (rest, _) in left(answer).items()} for answer in answers]
    assert rests == [{"preview": 5}, {"read": 6}, {"read": 5}, {"wrong-key": 2}]


def test_requests_that_do_not_count_have_none(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="5/day", READ_LIMIT="off")
    for path, headers in (("/health", {}), ("/results", {}), ("/results", {"X-API-Key": ""}), ("/review", {})):
        assert not NAMES & client.get(path, headers=headers).headers.keys()


def test_limit_that_is_off_has_none(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="off")
    assert not NAMES & classified(client).headers.keys()


def test_promised_requests_fit(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="6/second")
    for _ in range(3):
        # The window before counts too.
        rest = left(batch_of(client, 2)).get("classify", (0, 0))[0]
        assert rest == 0 or batch_of(client, rest).status_code == 200


def test_scripts_of_other_origins_can_read_them(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="5/day", CORS_ORIGINS="https://digits.example")
    answer = client.post("/classify", json=DRAWING, headers={"Origin": "https://digits.example"})
    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert set(exposed) >= NAMES <= answer.headers.keys()


@pytest.mark.slow
def test_counts_of_all_processes_are_told_with_redis(start: Start, sqlite_url: str) -> None:
    port = free_port()
    with redis_server(port):
        settings = {
            "DATABASE_URL": sqlite_url,
            "RATE_LIMIT": "9/day;4/month",
            "RATE_LIMIT_STORAGE_URI": redis_uri(port),
        }
        for rest in (8, 6):
            # A new service has no counts of its own.
            client = start(**settings)
            assert left(classified(client))[f"classify-{DAY_S}"][0] == rest
            last = classified(client)
        assert {name: rest for name, (rest, _) in left(last).items()} == {f"classify-{DAY_S}": 5, "classify-2592000": 0}
        refused = classified(client)
    assert refused.status_code == 429
    # What is refused counts in no part.
    assert left(refused)[f"classify-{DAY_S}"][0] == 5
    rest, wait = left(refused)["classify-2592000"]
    assert (rest, 0 < wait <= int(refused.headers["retry-after"])) == (0, True)
