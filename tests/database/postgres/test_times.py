"""Times that PostgreSQL stores and Python cannot hold; they are read as null."""

from itertools import islice

import pytest
from starlette.testclient import TestClient

from tests.support.http_fixtures import Start
from tests.support.keys import create_key
from tests.support.result_filters import pages
from tests.support.service import DRAWING, execute, runtime_of

TIMES = ("infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "20000-01-01 00:00:00+00")
LATEST = ("infinity", "20000-01-01 00:00:00+00")
COLUMNS = (
    "predictions.created_at",
    "labels.created_at",
    "reviews.offered_at",
    "api_keys.created_at",
    "api_keys.last_used_at",
    "api_keys.previous_until",
    "audit_log.at",
)
READS = (
    "/results",
    "/results?since=2020-01-01",
    "/results?until=2030-01-01",
    "/results?since=2020-01-01&model_version=v1&min_confidence=0.01",
    "/results?since=2020-01-01&labelled=true",
    "/results/1",
    "/results/1/labels",
    "/stats",
    "/stats?last=5",
    "/stats?model_version=v1&since=2020-01-01",
    "/stats/timeline",
    "/stats/calibration",
    "/models",
    "/stats/drift",
    "/export?format=jsonl",
    "/review",
    "/audit",
    "/keys",
)


@pytest.fixture
def postgres_client(start: Start, postgres_url: str) -> TestClient:
    """The service on PostgreSQL, with three drawings, a label and a key."""
    client = start(DATABASE_URL=postgres_url)
    for _ in range(3):
        assert client.post("/classify", json=DRAWING).status_code == 200
    assert client.put("/results/1/label", json={"label": "7"}).status_code == 200
    assert client.get("/review?reviewer=anna").status_code == 200
    create_key(client, "phone", "read")
    assert client.post("/keys/phone/rotate?overlap_hours=2").status_code == 200
    return client


@pytest.mark.parametrize("time", TIMES)
def test_every_read_works_with_times_that_python_cannot_hold(
    postgres_client: TestClient, postgres_url: str, time: str
) -> None:
    for table, column in (name.split(".") for name in COLUMNS):
        execute(postgres_url, f"UPDATE {table} SET {column} = '{time}'")
    found = {path: postgres_client.get(path) for path in READS}
    assert {path: reply.text for path, reply in found.items() if reply.status_code != 200} == {}
    assert found["/results/1"].json()["created_at"] is None
    assert found["/results"].json()["results"][0]["created_at"] is None
    assert found["/stats"].json()["count"] == 3


@pytest.mark.parametrize(
    ("change", "status"),
    [
        *((f"expires_at = '{time}'", 200 if time == "infinity" else 401) for time in TIMES),
        *((f"revoked_at = '{time}'", 401) for time in TIMES),
        *((f"created_at = '{time}'", 200) for time in TIMES),
    ],
)
def test_such_a_time_of_one_key_does_not_concern_others(
    start: Start, postgres_url: str, change: str, status: int
) -> None:
    client = start(DATABASE_URL=postgres_url)
    phone, tablet = create_key(client, "phone", "read"), create_key(client, "tablet", "read")
    execute(postgres_url, f"UPDATE api_keys SET {change} WHERE name = 'phone'")
    runtime_of(client).keys.expire()
    assert client.get("/keys/current", headers=tablet).status_code == 200
    assert client.get("/keys/current", headers=phone).status_code == status
    assert client.get("/keys").status_code == 200


@pytest.mark.parametrize("filters", [{}, {"notes_contains": "same"}])
def test_pages_have_each_row_with_such_a_time_once(
    postgres_client: TestClient, postgres_url: str, filters: dict[str, str]
) -> None:
    execute(
        postgres_url,
        "UPDATE predictions SET notes = 'the same'",
        *(f"UPDATE predictions SET created_at = '{time}' WHERE id = {id_}" for id_, time in enumerate(LATEST, 1)),
    )
    given = islice(pages(postgres_client, 1, since="2020-01-01", **filters), 4)
    assert [row["id"] for page in given for row in page] == [1, 2, 3]
