"""GET /review?queue=not_a_digit: what the model takes for no digit."""

import pytest
from starlette.testclient import TestClient

from app.database import get_database
from tests.support.http_fixtures import Start
from tests.support.review_rows import add_drawings, add_labels, ids, let_reservations_end, page, reviews
from tests.support.service import execute
from tests.support.sql_statements import Statement, executed, sqlite_plan
from tests.support.stored_rows import drawing_of

QUEUE = {"queue": "not_a_digit"}


def add(database_url: str, count: int = 30) -> list[int]:
    """Store drawings of which every third is no digit; return those, newest first."""
    told = {id_: 0.501 + id_ / 1000 if id_ % 3 == 0 else 0.5 if id_ % 3 == 1 else 0.02 for id_ in range(1, count + 1)}
    # Small margins are the other queue's business.
    add_drawings(database_url, {id_: id_ / 1000 for id_ in told}, not_a_digit=told)
    return [id_ for id_ in sorted(told, reverse=True) if told[id_] > 0.5]


def test_queue_has_only_drawings_that_are_probably_no_digits_newest_first(
    client: TestClient, database_url: str
) -> None:
    expected = add(database_url)
    items = page(client, **QUEUE, limit=100)
    assert ids(items) == expected
    assert {item["reason"] for item in items} == {"not a digit"}
    assert min(item["not_a_digit"] for item in items) > 0.5
    assert list(items[0])[:4] == ["id", "prediction", "confidence", "not_a_digit"]


def test_page_of_the_queue_has_limit_items_and_reserves_them(client: TestClient, database_url: str) -> None:
    expected = add(database_url)
    assert ids(page(client, **QUEUE, limit=4)) == expected[:4]
    assert ids(page(client, **QUEUE, limit=4)) == expected[4:8]
    assert ids(page(client, **QUEUE, limit=4)) == expected[8:]
    assert page(client, **QUEUE) == []
    assert set(reviews(database_url)) == set(expected)
    let_reservations_end(database_url)
    assert ids(page(client, **QUEUE, limit=4)) == expected[:4]


def test_queue_samples_nothing_at_random(client: TestClient, database_url: str) -> None:
    expected = add(database_url)
    execute(database_url, f"INSERT INTO reviews (prediction_id, sampled) VALUES ({expected[0]}, true)")
    page(client, **QUEUE, limit=100)
    assert {id_ for id_, (sampled, _, _) in reviews(database_url).items() if sampled} == {expected[0]}


def test_labelled_drawing_leaves_the_queue(client: TestClient, database_url: str) -> None:
    expected = add(database_url)
    add_labels(database_url, {expected[0]: "none", expected[2]: "7"})
    assert ids(page(client, **QUEUE, limit=3, reviewer="anna")) == [expected[1], expected[3], expected[4]]
    client.put(f"/results/{expected[1]}/label", json={"label": "none"})
    again = ids(page(client, **QUEUE, limit=3, reviewer="anna"))
    assert set(again[:2]) == {expected[3], expected[4]}
    assert again[2] == expected[5]


def test_reserved_drawings_of_the_other_queue_are_not_in_this_one(client: TestClient, database_url: str) -> None:
    expected = add(database_url)
    page(client, limit=20, reviewer="anna")
    mine = {id_ for id_, (_, reviewer, _) in reviews(database_url).items() if reviewer == "anna"}
    found = ids(page(client, **QUEUE, limit=100, reviewer="anna"))
    assert set(found) == set(expected)
    assert set(found[: len(mine & set(expected))]) == mine & set(expected)


def test_reserved_drawings_of_this_queue_are_not_in_the_other_one(client: TestClient, database_url: str) -> None:
    expected = add(database_url)
    assert ids(page(client, **QUEUE, limit=100, reviewer="anna")) == expected
    items = page(client, limit=100, reviewer="anna")
    assert {item["id"] for item in items if item["reason"] == "smallest margin"}.isdisjoint(expected)
    assert len(items) == 20


def test_doubtful_digits_are_offered_and_not_what_is_surely_no_digit(client: TestClient, database_url: str) -> None:
    scribbles, doubtful = range(1, 41), range(41, 61)
    margins = {id_: 0.005 if id_ in scribbles else 0.3 for id_ in (*scribbles, *doubtful)}
    add_drawings(database_url, margins, not_a_digit={**dict.fromkeys(scribbles, 0.99), **dict.fromkeys(doubtful, 0.01)})
    items = page(client, limit=10)
    by_margin = ids(item for item in items if item["reason"] == "smallest margin")
    assert by_margin == [id_ for id_ in doubtful if id_ not in ids(items[:2])][:8]


def test_queue_has_no_near_duplicates(client: TestClient, database_url: str) -> None:
    same = drawing_of(1)["pixels"]
    told = dict.fromkeys(range(1, 7), 0.9)
    add_drawings(database_url, dict.fromkeys(told, 0.5), dict.fromkeys(range(1, 5), same), told)
    assert ids(page(client, **QUEUE)) == [6, 5, 4]


def test_rows_without_the_probability_or_a_drawing_are_not_in_the_queue(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, {1: 0.1, 2: 0.2})
    columns = "INSERT INTO predictions (prediction, confidence, model_version, not_a_digit, id)"
    execute(database_url, f"{columns} VALUES ('7', 0.2, 'v2', 0.9, 3)")
    assert page(client, **QUEUE) == []


def walk(client: TestClient) -> Statement:
    with executed() as seen:
        page(client, **QUEUE)
    (found,) = [one for one in seen if "ORDER BY review_queue.priority" in one.text]
    return found


def test_queue_is_read_in_the_order_of_its_index(start: Start, sqlite_url: str) -> None:
    add(sqlite_url, 100)
    plan = sqlite_plan(walk(start(DATABASE_URL=sqlite_url)))
    assert plan[0].startswith("SEARCH review_queue USING PRIMARY KEY (queue=?)"), plan
    assert not [step for step in plan[1:] if "SCAN" in step or "TEMP B-TREE" in step], plan


def test_postgresql_can_read_the_queue_in_the_order_of_its_index(start: Start, truncated_postgres_url: str) -> None:
    add(truncated_postgres_url, 100)
    statement = walk(start(DATABASE_URL=truncated_postgres_url))
    with get_database().engine.connect() as connection:
        # With 100 rows the planner prefers a sequential scan.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement.text}", statement.values))
    assert "review_queue_pkey" in plan, plan


@pytest.mark.parametrize("queue", ["uncertain", None])
def test_uncertain_drawings_are_the_default(client: TestClient, database_url: str, queue: str | None) -> None:
    add(database_url)
    items = page(client, **({} if queue is None else {"queue": queue}))
    assert [item["reason"] for item in items] == ["random"] * 2 + ["smallest margin"] * 8
