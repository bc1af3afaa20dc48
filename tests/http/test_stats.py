"""GET /stats: correct for any number of rows and any filter."""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.database import Database, get_database
from app.database.limits import SCANNERS
from app.database.sqlite.engine import READERS
from app.schemas.stats import StatsQuery
from app.services import stats
from tests.support.expected_stats import accuracy_of, stats_of
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, assert_problem, execute
from tests.support.sql_statements import executed
from tests.support.stored_rows import BEGIN, Row, random_rows, store

ROWS = random_rows(300)
MIDDLE = BEGIN + timedelta(minutes=4500)
LATER = MIDDLE + timedelta(days=1)
BY_HAND = "INSERT INTO predictions (prediction, confidence, model_version, created_at) VALUES "

Choice = Callable[[list[Row]], list[Row]]


def at(since: datetime | None = None, until: datetime | None = None) -> Choice:
    def choose(rows: list[Row]) -> list[Row]:
        timed = [(row, row.created_at) for row in rows if row.created_at is not None]
        return [row for row, time in timed if (since is None or time >= since) and (until is None or time < until)]

    return choose


def of(version: str) -> Choice:
    return lambda rows: [row for row in rows if row.model_version == version]


SELECTIONS: dict[str, tuple[dict[str, Any], Choice]] = {
    "everything": ({}, lambda rows: rows),
    "the last hundred": ({"last": 100}, lambda rows: rows[-100:]),
    "the last": ({"last": 1}, lambda rows: rows[-1:]),
    "more than there are": ({"last": 1_000_000}, lambda rows: rows),
    "the last of a version": ({"last": 20, "model_version": "v2"}, lambda rows: of("v2")(rows)[-20:]),
    "a version": ({"model_version": "v2"}, of("v2")),
    "a version that never was": ({"model_version": "v3"}, of("v3")),
    "the last of a version that never was": ({"last": 9, "model_version": "v3"}, of("v3")),
    "since": ({"since": MIDDLE.isoformat()}, at(MIDDLE)),
    "until": ({"until": MIDDLE.isoformat()}, at(None, MIDDLE)),
    "a day of a version": (
        {"since": MIDDLE.isoformat(), "until": LATER.isoformat(), "model_version": "v1"},
        lambda rows: of("v1")(at(MIDDLE, LATER)(rows)),
    ),
    "a time that ends before it begins": ({"since": LATER.isoformat(), "until": MIDDLE.isoformat()}, lambda _: []),
}


def expected(rows: list[Row]) -> dict[str, Any]:
    edges = [(place / 10, (place + 1) / 10) for place in range(10)]
    times = [row.created_at for row in rows if row.created_at is not None]
    return {
        **stats_of(rows),
        "since": min(times, default=None),
        "until": max(times, default=None),
        "confidence_histogram": [
            {
                "from": lower,
                "to": upper,
                "count": sum(lower <= row.confidence < upper or row.confidence == upper == 1 for row in rows),
            }
            for lower, upper in edges
        ],
        "accuracy_random": accuracy_of(row for row in rows if row.sampled),
        "accuracy_rest": accuracy_of(row for row in rows if not row.sampled),
    }


def get_stats(client: TestClient, **parameters: Any) -> dict[str, Any]:
    response = client.get("/stats", params=parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    for name in ("since", "until"):
        answer[name] = answer[name] and datetime.fromisoformat(answer[name])
    return answer


def test_stats_equal_a_count_by_hand(client: TestClient, database_url: str, subtests: pytest.Subtests) -> None:
    store(database_url, ROWS)
    for name, (parameters, choose) in SELECTIONS.items():
        with subtests.test(name):
            assert get_stats(client, **parameters) == expected(choose(ROWS))


def test_last_100_can_be_counted_by_model_version(client: TestClient, database_url: str) -> None:
    rows = ", ".join(f"('7', {0.5 if n % 4 else 0.9}, '{'old' if n % 4 else 'new'}', NULL)" for n in range(200))
    execute(database_url, BY_HAND + rows)
    versions = get_stats(client, last=100)["model_versions"]
    assert {name: (version["count"], version["mean_confidence"]) for name, version in versions.items()} == {
        "old": (75, 0.5),
        "new": (25, 0.9),
    }


def test_since_is_inclusive_and_until_exclusive(client: TestClient, database_url: str) -> None:
    store(database_url, [ROWS[0]._replace(created_at=MIDDLE)])
    for name, later, count in (("since", 0, 1), ("since", 1, 0), ("until", 0, 0), ("until", 1, 1)):
        moment = MIDDLE + timedelta(microseconds=later)
        assert get_stats(client, **{name: moment.isoformat()})["count"] == count


def test_empty_database_has_stats(client: TestClient) -> None:
    for parameters in ({}, {"last": 100}):
        assert get_stats(client, **parameters) == expected([])


def test_earlier_label_is_ignored(client: TestClient) -> None:
    answer = client.post("/classify", json=DRAWING).json()["prediction"]
    for label, correct in ((answer, 1), ("1", 0), (answer, 1), ("none", 0)):
        client.put("/results/1/label", json={"label": label})
        for accuracy in (get_stats(client)[name] for name in ("accuracy", "accuracy_rest")):
            assert (accuracy["labelled"], accuracy["correct"]) == (1, correct)


def test_label_none_counts_as_a_wrong_prediction(client: TestClient) -> None:
    for prediction_id, label in ((1, "none"), (2, "7")):
        client.post("/classify", json=DRAWING)
        client.put(f"/results/{prediction_id}/label", json={"label": label})
    accuracy = get_stats(client)["accuracy"]
    assert {name: accuracy[name] for name in ("labelled", "correct", "not_a_digit", "accuracy")} == {
        "labelled": 2,
        "correct": 1,
        "not_a_digit": 1,
        "accuracy": 0.5,
    }


def test_accuracy_random_uses_only_the_random_sample(client: TestClient, database_url: str) -> None:
    for prediction_id, label in ((1, "7"), (2, "1"), (3, "1")):
        client.post("/classify", json=DRAWING)
        client.put(f"/results/{prediction_id}/label", json={"label": label})
    execute(database_url, "INSERT INTO reviews (prediction_id, sampled) VALUES (1, true), (2, false)")
    numbers = get_stats(client)
    shares = {name: (numbers[name]["labelled"], numbers[name]["correct"]) for name in numbers if "accuracy" in name}
    assert shares == {"accuracy": (3, 1), "accuracy_random": (1, 1), "accuracy_rest": (2, 0)}


def test_rows_with_any_text_and_without_a_time_are_counted(client: TestClient, database_url: str) -> None:
    execute(database_url, BY_HAND + "('?', 1, 'Ünlike \"mine\" 🎉', NULL), ('', 0, '', NULL)")
    numbers = get_stats(client)
    assert numbers["count"] == 2
    assert numbers["since"] is None
    assert set(numbers["digits"]) == {*"0123456789", "?", ""}
    assert numbers["digits"]["?"] == {"count": 1, "mean_confidence": 1}
    assert set(numbers["model_versions"]) == {'Ünlike "mine" 🎉', ""}
    assert get_stats(client, model_version='Ünlike "mine" 🎉')["count"] == 1


@pytest.mark.parametrize("written", ["''", "'20.11.2026 10:00'", "'yesterday'", "42", "1.5", "x'00'"])
def test_invalid_time_in_the_database_counts_as_none(sqlite_client: TestClient, sqlite_url: str, written: str) -> None:
    execute(sqlite_url, BY_HAND + f"('7', 0.9, 'v1', {written})")
    numbers = get_stats(sqlite_client)
    assert (numbers["count"], numbers["since"], numbers["until"]) == (1, None, None)


def test_bins_include_their_lower_end_and_the_last_includes_1(client: TestClient, database_url: str) -> None:
    edges = [place / 10 for place in range(11)]
    execute(database_url, BY_HAND + ", ".join(f"('7', {edge}, 'v1', NULL)" for edge in edges))
    histogram = get_stats(client)["confidence_histogram"]
    assert [part["count"] for part in histogram] == [1] * 9 + [2]
    assert [part["from"] for part in histogram] == edges[:-1]


def test_last_cannot_be_combined_with_a_time(sqlite_client: TestClient) -> None:
    for name in ("since", "until"):
        response = sqlite_client.get(f"/stats?last=5&{name}=2026-01-01")
        problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
        assert [error["loc"] for error in problem["errors"]] == [["query", "last"]]
        assert "leave one of them out" in problem["detail"]


REFUSED = [
    ("last", "0"),
    ("last", "-1"),
    ("last", "1000001"),
    ("last", "9" * 5000),
    ("last", "1e2"),
    ("last", "1.5"),
    ("last", "nan"),
    ("last", ""),
    ("last", "%00"),
    ("since", "yesterday"),
    ("since", "0001-01-01T00:00:00%2B14:00"),
    ("since", "nan"),
    ("until", "9999-12-31T23:59:59-14:00"),
    ("until", "9" * 100),
    ("model_version", "%00"),
    ("model_version", "v" * 256),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_error_names_the_invalid_parameter(sqlite_client: TestClient, name: str, value: str) -> None:
    problem = assert_problem(sqlite_client.get(f"/stats?{name}={value}"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["query", name]]


def test_unknown_parameter_is_refused(sqlite_client: TestClient) -> None:
    problem = assert_problem(sqlite_client.get("/stats?lats=100"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert "lats" not in str(problem)


def test_text_of_a_version_is_matched_literally(client: TestClient, database_url: str) -> None:
    store(database_url, ROWS[:5])
    for version in ("'", "%25", "_", "%F0%9F%98%80", "v1'; DROP TABLE labels; --"):
        assert client.get(f"/stats?model_version={version}").json()["count"] == 0


@pytest.mark.parametrize(
    ("name", "expected"), [("everything", 5), ("the last hundred", 4), ("the last of a version", 4), ("since", 5)]
)
def test_number_of_statements_does_not_depend_on_the_rows(
    client: TestClient, database_url: str, name: str, expected: int
) -> None:
    parameters, _ = SELECTIONS[name]
    counts = []
    for rows in ([], ROWS[:1], [row._replace(model_version=f"v{row.id}") for row in ROWS[1:]]):
        if rows:
            store(database_url, rows)
        with executed() as seen:
            assert client.get("/stats", params=parameters).status_code == 200
        counts.append(len(seen))
    assert counts == [expected] * 3


def steps(database: Database, query: StatsQuery) -> int:
    """The steps of SQLite's virtual machine for the stats, in hundreds."""
    made = 0

    def count() -> None:
        nonlocal made
        made += 1

    with database.snapshot() as session:
        connection: Any = session.connection().connection.driver_connection
        connection.set_progress_handler(count, 100)
        stats.get_stats(session, query)
        connection.set_progress_handler(None, 0)
    return made


@pytest.mark.parametrize("version", [None, "v1"])
def test_last_takes_the_same_time_in_a_table_ten_times_as_long(
    sqlite_database: Database, sqlite_url: str, version: str | None
) -> None:
    query = StatsQuery(last=100, model_version=version)
    store(sqlite_url, ROWS)
    in_short = steps(sqlite_database, query)
    store(sqlite_url, [row._replace(id=300 + row.id) for row in random_rows(2700, seed=2)])
    assert in_short > 10
    assert steps(sqlite_database, query) < 1.3 * in_short


@pytest.mark.parametrize(
    ("lane", "threads", "url"), [("scan", SCANNERS, "/stats?last=100"), ("read", READERS, "/stats")]
)
def test_small_counts_and_pages_do_not_wait_for_scans(
    sqlite_client: TestClient, lane: str, threads: int, url: str
) -> None:
    finish = Event()
    portal = sqlite_client.portal
    assert portal is not None
    busy = [portal.start_task_soon(getattr(get_database(), lane), lambda _: finish.wait(30)) for _ in range(threads)]
    try:
        assert sqlite_client.get(url).status_code == 200
        assert not any(work.done() for work in busy)
    finally:
        finish.set()
    assert all(work.result() for work in busy)


@pytest.mark.parametrize("path", ["/stats", "/stats/timeline", "/models"])
def test_stats_need_the_key_unless_results_are_public(start: Start, sqlite_url: str, path: str) -> None:
    wrong = {"X-API-Key": "wrong"}
    assert start(DATABASE_URL=sqlite_url).get(path, headers=wrong).status_code == 200
    closed = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="false")
    assert_problem(closed.get(path, headers=wrong), HTTPStatus.UNAUTHORIZED)
    assert closed.get(path).status_code == 200
