"""GET /stats/timeline: all buckets in order, each with its own predictions."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise, product
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.services.stats import MAX_BUCKETS
from tests.support.expected_stats import stats_of
from tests.support.service import DRAWING, assert_problem, execute
from tests.support.sql_statements import executed
from tests.support.stored_rows import BEGIN, Row, random_rows, store

# Over six days; the second is a Monday, because 1 March 2026 is a Sunday.
ROWS = random_rows(300)
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
BY_HAND = "INSERT INTO predictions (prediction, confidence, model_version, created_at) VALUES "


def get_buckets(client: TestClient, **parameters: Any) -> list[dict[str, Any]]:
    response = client.get("/stats/timeline", params=parameters)
    assert response.status_code == 200, response.text
    buckets: list[dict[str, Any]] = response.json()["buckets"]
    return [{**bucket, "start": datetime.fromisoformat(bucket["start"])} for bucket in buckets]


def expected(rows: list[Row], bucket: str, first: datetime, since: datetime, until: datetime) -> list[dict[str, Any]]:
    timed = [(row, row.created_at) for row in rows if row.created_at is not None]
    chosen = [(row, time) for row, time in timed if since <= time < until]
    buckets = []
    start, length = first, LENGTHS[bucket]
    while start < until:
        buckets.append({"start": start, **stats_of([row for row, time in chosen if start <= time < start + length])})
        start += length
    return buckets


RANGES = (
    ("day", BEGIN, BEGIN, BEGIN + timedelta(days=8)),
    # The first and the last bucket are incomplete.
    ("day", BEGIN, BEGIN + timedelta(hours=7), BEGIN + timedelta(days=5, minutes=1)),
    ("hour", BEGIN - timedelta(hours=2), BEGIN - timedelta(minutes=90), BEGIN + timedelta(days=7)),
    ("week", datetime(2026, 2, 23, tzinfo=UTC), BEGIN, BEGIN + timedelta(days=15)),
)


def test_buckets_equal_a_count_by_hand(client: TestClient, database_url: str, subtests: pytest.Subtests) -> None:
    store(database_url, ROWS)
    for (bucket, first, since, until), version in product(RANGES, (None, "v2")):
        with subtests.test(bucket=bucket, since=since, version=version):
            of_version = {} if version is None else {"model_version": version}
            times = {"since": since.isoformat(), "until": until.isoformat()}
            found = get_buckets(client, bucket=bucket, **times, **of_version)
            rows = [row for row in ROWS if version in (None, row.model_version)]
            assert found == expected(rows, bucket, first, since, until)
            assert sum(part["count"] for part in found) > 5


@pytest.mark.parametrize(
    ("bucket", "before", "first"),
    [
        ("hour", "2026-03-29 00:59:59.999999+00:00", "2026-03-29 01:00:00+00:00"),
        ("day", "2026-02-28 23:59:59.999999+00:00", "2026-03-01 00:00:00+00:00"),
        ("day", "1969-12-31 23:59:59.999999+00:00", "1970-01-01 00:00:00+00:00"),
        ("day", "1904-02-28 23:59:59.999999+00:00", "1904-02-29 00:00:00+00:00"),
        ("week", "2026-03-01 23:59:59.999999+00:00", "2026-03-02 00:00:00+00:00"),
        ("week", "1950-01-01 23:59:59.999999+00:00", "1950-01-02 00:00:00+00:00"),
        ("week", "8999-12-29 23:59:59.999999+00:00", "8999-12-30 00:00:00+00:00"),
    ],
)
def test_bucket_begins_at_its_first_moment(
    client: TestClient, database_url: str, bucket: str, before: str, first: str
) -> None:
    # One before the bucket and two in it; PostgreSQL's session has another time zone.
    times = [datetime.fromisoformat(time) for time in (before, first, first)]
    store(database_url, [ROWS[place]._replace(created_at=time) for place, time in enumerate(times)])
    begin, length = times[-1], LENGTHS[bucket]
    found = get_buckets(client, bucket=bucket, since=(begin - length).isoformat(), until=(begin + length).isoformat())
    assert [(part["start"], part["count"]) for part in found] == [(begin - length, 1), (begin, 2)]


@pytest.mark.parametrize(("bucket", "count"), [("hour", 49), ("day", 31), ("week", 27), (None, 31)])
def test_timeline_ends_with_the_current_bucket(client: TestClient, bucket: str | None, count: int) -> None:
    client.post("/classify", json=DRAWING)
    buckets = get_buckets(client, **({} if bucket is None else {"bucket": bucket}))
    length = LENGTHS[bucket or "day"]
    assert len(buckets) == count
    assert {after["start"] - part["start"] for part, after in pairwise(buckets)} == {length}
    assert timedelta() <= datetime.now(UTC) - buckets[-1]["start"] < 2 * length
    assert sum(part["count"] for part in buckets) == sum(part["count"] for part in buckets[-2:]) == 1


def test_default_start_is_the_start_of_a_bucket(client: TestClient, database_url: str) -> None:
    store(database_url, [ROWS[0]._replace(created_at=BEGIN)])
    buckets = get_buckets(client, until="2026-03-31T12:00:00Z")
    assert (buckets[0]["start"], buckets[0]["count"], len(buckets)) == (BEGIN, 1, 31)


def test_weeks_begin_on_monday(sqlite_client: TestClient) -> None:
    buckets = get_buckets(sqlite_client, bucket="week")
    assert {part["start"].weekday() for part in buckets} == {0}


def test_row_without_a_time_is_in_no_bucket(client: TestClient, database_url: str) -> None:
    execute(database_url, BY_HAND + "('7', 1, 'v0', NULL)")
    execute(database_url, "INSERT INTO labels (prediction_id, label) VALUES (1, '7')")
    buckets = get_buckets(client, bucket="week", since="2000-01-01", until="2010-01-01")
    assert {(part["count"], part["accuracy"]["labelled"]) for part in buckets} == {(0, 0)}


# As text, the second and the third are between the requested times.
@pytest.mark.parametrize(
    "written", ["'20.11.2026 10:00'", "'2026-03-99'", "'2026-02-31 00:00:00'", "42", "x'00'", "''"]
)
def test_invalid_time_in_the_database_is_in_no_bucket(sqlite_client: TestClient, sqlite_url: str, written: str) -> None:
    execute(sqlite_url, BY_HAND + f"('7', 1, 'v1', {written}), ('7', 1, 'v1', '2026-02-28 00:00:00')")
    execute(sqlite_url, "INSERT INTO labels (prediction_id, label) VALUES (1, '7')")
    for until in ("2026-03-01", "2026-04-01"):
        buckets = get_buckets(sqlite_client, since="2026-02-01", until=until)
        by_day = {part["start"].date().isoformat(): part["count"] for part in buckets if part["count"]}
        assert by_day.pop("2026-02-28") == 1
        # SQLite reads the 31st of February as the 3rd of March.
        assert by_day in ({}, {"2026-03-03": 1})


def test_earlier_label_is_ignored(client: TestClient) -> None:
    answer = client.post("/classify", json=DRAWING).json()
    for label, correct in ((answer["prediction"], 1), ("1", 0), ("none", 0)):
        client.put("/results/1/label", json={"label": label})
        (part,) = [part for part in get_buckets(client) if part["count"]]
        for accuracy in (part["accuracy"], part["model_versions"][answer["model_version"]]["accuracy"]):
            assert (accuracy["labelled"], accuracy["correct"]) == (1, correct)
            assert accuracy["not_a_digit"] == (label == "none")


def test_empty_database_has_empty_buckets(client: TestClient) -> None:
    for bucket in LENGTHS:
        for part in get_buckets(client, bucket=bucket):
            assert {name: part[name] for name in part if name != "start"} == stats_of([])


def test_until_before_since_gives_no_buckets(sqlite_client: TestClient) -> None:
    assert get_buckets(sqlite_client, since="2026-03-02", until="2026-03-01") == []
    assert get_buckets(sqlite_client, since="2026-03-01", until="2026-03-01") == []


@pytest.mark.parametrize("bucket", LENGTHS)
def test_more_than_1000_buckets_are_refused_with_advice(sqlite_client: TestClient, bucket: str) -> None:
    since = datetime(2001, 1, 1, tzinfo=UTC)
    until = since + MAX_BUCKETS * LENGTHS[bucket]
    times = {"bucket": bucket, "since": since.isoformat()}
    assert len(get_buckets(sqlite_client, **times, until=until.isoformat())) == MAX_BUCKETS
    longer = {**times, "until": (until + timedelta(seconds=1)).isoformat()}
    response = sqlite_client.get("/stats/timeline", params=longer)
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["query", "bucket"]]
    assert "1,001" in problem["detail"]
    assert "larger bucket" in problem["detail"]
    assert "shorter time" in problem["detail"]


REFUSED = [
    ("bucket", "year"),
    ("bucket", ""),
    ("bucket", "DAY"),
    ("bucket", "%00"),
    ("since", "yesterday"),
    ("since", "nan"),
    ("since", "1899-12-31T23:59:59Z"),
    ("until", "9001-01-01T00:00:00Z"),
    ("until", "9" * 100),
    ("model_version", "%00"),
    ("model_version", "v" * 256),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_error_names_the_invalid_parameter(sqlite_client: TestClient, name: str, value: str) -> None:
    response = sqlite_client.get(f"/stats/timeline?{name}={value}")
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["query", name]]


def test_unknown_parameter_is_refused(sqlite_client: TestClient) -> None:
    problem = assert_problem(sqlite_client.get("/stats/timeline?last=100"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert problem["errors"][0]["type"] == "extra_forbidden"


@pytest.mark.parametrize("times", [{"since": "1900-01-01"}, {"until": "8999-12-31"}, {"until": "1900-01-01"}])
def test_first_and_last_years_of_the_calendar_do_no_harm(client: TestClient, times: dict[str, str]) -> None:
    for bucket in LENGTHS:
        response = client.get("/stats/timeline", params={"bucket": bucket, **times})
        assert response.status_code == (422 if "since" in times else 200)


def test_number_of_statements_does_not_depend_on_the_rows(client: TestClient, database_url: str) -> None:
    parameters = {"bucket": "hour", "since": BEGIN.isoformat(), "until": (BEGIN + timedelta(days=7)).isoformat()}
    counts = []
    for rows in ([], ROWS[:1], [row._replace(model_version=f"v{row.id}") for row in ROWS[1:]]):
        if rows:
            store(database_url, rows)
        with executed() as seen:
            assert client.get("/stats/timeline", params=parameters).status_code == 200
        counts.append(len(seen))
    assert counts == [3, 3, 3]
