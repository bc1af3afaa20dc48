"""Predictions inserted by hand, whose times SQLite stores as shorter texts than the service's."""

from datetime import UTC, datetime
from itertools import islice

import pytest
from starlette.testclient import TestClient

from tests.support.command_line import done
from tests.support.keys import create_key
from tests.support.result_filters import pages
from tests.support.service import DRAWING, execute, rows

# One text of each length, and one a microsecond later.
NOON = ("2026-10-27 12:00", "2026-10-27 12:00:00", "2026-10-27 12:00:00.000000", "2026-10-27 12:00:00.000001")
MIDNIGHT = ("2026-10-27", "2026-10-27 00:00", "2026-10-27 00:00:00", "2026-10-27 00:00:00.000000")


def insert(database_url: str, *times: str, notes: str = "NULL") -> None:
    values = ", ".join(f"('7', 0.9, 'v1', '{time}', {notes})" for time in times)
    execute(
        database_url,
        f"INSERT INTO predictions (prediction, confidence, model_version, created_at, notes) VALUES {values}",
    )


@pytest.mark.parametrize(("time", "size"), [("2026-10-27T00:00:00Z", 4), ("2026-10-27T00:00:00.000001Z", 0)])
def test_rows_at_midnight_are_in_the_time_span_that_begins_there(
    sqlite_client: TestClient, sqlite_url: str, time: str, size: int
) -> None:
    insert(sqlite_url, *MIDNIGHT)
    assert len(sqlite_client.get("/results", params={"since": time}).json()["results"]) == size
    assert len(sqlite_client.get("/results", params={"until": time}).json()["results"]) == 4 - size
    assert sqlite_client.get("/stats", params={"since": time}).json()["count"] == size


@pytest.mark.parametrize(
    ("since", "until", "count"),
    [
        ("2026-10-27T11:30:00Z", "2026-10-27T12:00:00Z", 0),
        ("2026-10-27T11:30:00Z", "2026-10-27T13:00:00Z", 4),
        ("2026-10-27T11:00:00Z", "2026-10-27T12:30:00Z", 4),
        ("2026-10-27T12:00:00Z", "2026-10-27T12:00:00.000001Z", 3),
        ("2026-10-26T23:30:00Z", "2026-10-28T00:30:00Z", 4),
    ],
)
def test_rows_on_a_full_hour_are_counted_once(
    sqlite_client: TestClient, sqlite_url: str, since: str, until: str, count: int
) -> None:
    insert(sqlite_url, *NOON)
    span = {"since": since, "until": until}
    assert sqlite_client.get("/stats", params=span).json()["count"] == count
    assert len(sqlite_client.get("/results", params=span).json()["results"]) == count
    timeline = sqlite_client.get("/stats/timeline", params=span | {"bucket": "hour"}).json()
    assert sum(bucket["count"] for bucket in timeline["buckets"]) == count


@pytest.mark.parametrize("filters", [{}, {"notes_contains": "same"}])
def test_pages_of_rows_at_the_same_second_have_each_row_once(
    sqlite_client: TestClient, sqlite_url: str, filters: dict[str, str]
) -> None:
    insert(sqlite_url, *["2026-10-27 12:00:07"] * 25, notes="'the same'")
    insert(sqlite_url, "2026-10-27 13:00:07", "2026-10-27 11:00:07", notes="'the same'")
    found = [row["id"] for page in pages(sqlite_client, 4, since="2026-10-01", **filters) for row in page]
    assert found == [26, *range(25, 0, -1), 27]


@pytest.mark.parametrize("filters", [{}, {"notes_contains": "same"}, {"until": "2026-12-01"}])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_of_one_time_in_several_texts_have_each_row_once(
    sqlite_client: TestClient, sqlite_url: str, filters: dict[str, str], limit: int
) -> None:
    times = (*reversed(NOON), "2026-10-27 12:00:xx", *NOON, *MIDNIGHT, "2026-10-27T12:00")
    insert(sqlite_url, *times, notes="'the same'")
    span = {"since": "2026-10-01", **filters}
    whole = sqlite_client.get("/results", params=span).json()["results"]
    assert {row["id"] for row in whole} == set(range(1, len(times) + 1))
    given = islice(pages(sqlite_client, limit, **span), len(times))
    assert [row for page in given for row in page] == whole


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({}, "2026-01-01", "2026-06-01"),
        ({"last": 10}, "2026-01-01", "2026-06-01"),
        ({"model_version": "v1"}, "2026-01-01", "2026-06-01"),
        ({"since": "2026-02-01"}, "2026-05-01", "2026-06-01"),
        ({"until": "2026-06-01"}, "2026-01-01", "2026-05-01"),
    ],
)
def test_statistics_begin_and_end_at_a_time(
    sqlite_client: TestClient, sqlite_url: str, query: dict[str, str], first: str, last: str
) -> None:
    insert(sqlite_url, "2026-01-01", "2026-05-01", "2026-06-01", "yesterday", "20.11.2026 10:00")
    execute(sqlite_url, "UPDATE predictions SET created_at = 1764000000 WHERE id = 5")
    found = sqlite_client.get("/stats", params=query).json()
    assert (found["since"][:10], found["until"][:10]) == (first, last)


@pytest.mark.parametrize("more", [{}, {"prediction": "7"}, {"notes_contains": "same"}])
@pytest.mark.parametrize("bound", ["since", "until"])
def test_what_is_not_a_time_is_in_no_time_span(
    sqlite_client: TestClient, sqlite_url: str, bound: str, more: dict[str, str]
) -> None:
    insert(sqlite_url, "yesterday", "20.11.2026 10:00", "1764000000", "2026-05-01", notes="'the same'")
    execute(sqlite_url, "UPDATE predictions SET created_at = 1764000000 WHERE id = 3")
    params = {bound: "2026-01-01" if bound == "since" else "2026-06-01", **more}
    assert [row["id"] for row in sqlite_client.get("/results", params=params).json()["results"]] == [4]


def test_page_goes_on_after_a_row_that_was_deleted(sqlite_client: TestClient, sqlite_url: str) -> None:
    insert(sqlite_url, *["2026-10-27 12:00:07"] * 3)
    found = []
    for page in pages(sqlite_client, 1, since="2026-10-01"):
        found += [row["id"] for row in page]
        assert sqlite_client.delete(f"/results/{found[-1]}").status_code == 204
    assert found == [3, 2, 1]


def test_prune_deletes_all_rows_of_a_second(
    sqlite_client: TestClient, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.prune.DELETE_BATCH_SIZE", 4)
    insert(sqlite_url, *["2020-10-27 12:00:07"] * 25, *NOON)
    days = (datetime.now(UTC) - datetime(2026, 10, 27, 11, tzinfo=UTC)).days + 1
    done("prune", "--older-than", f"{days}d", "--yes")
    left = rows(sqlite_url, "SELECT id FROM predictions ORDER BY id")
    assert [row["id"] for row in left] == [26, 27, 28, 29]


def test_time_that_is_none_is_null_in_labels_keys_and_the_audit_log(client: TestClient, database_url: str) -> None:
    assert client.post("/classify", json=DRAWING).status_code == 200
    assert client.put("/results/1/label", json={"label": "7"}).status_code == 200
    create_key(client, "phone", "read")
    for column in ("labels SET created_at", "api_keys SET created_at", "audit_log SET at"):
        execute(database_url, f"UPDATE {column} = 'infinity'")
    assert [label["created_at"] for label in client.get("/results/1/labels").json()["labels"]] == [None]
    assert [key["created_at"] for key in client.get("/keys").json()["keys"]] == [None]
    assert {entry["at"] for entry in client.get("/audit").json()["entries"]} == {None}
