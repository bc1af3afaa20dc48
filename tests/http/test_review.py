"""GET /review: which drawings are offered to whom, and in which order."""

import asyncio
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.database import Database, get_database
from app.models import SMALL_MARGIN
from app.repository.review import MAX_CANDIDATES
from app.schemas.review import ReviewQuery
from app.services.review import offer
from tests.support.connections import connected
from tests.support.http_fixtures import Start
from tests.support.review_rows import LONG_AGO, add_drawings, add_labels, ids, let_reservations_end, page, reviews
from tests.support.service import DRAWING, PLAIN, assert_problem, execute, rows
from tests.support.sql_statements import Statement, executed, sqlite_plan
from tests.support.stored_rows import drawing_of

FAR = 2**31 - 1
NAMES = {"id", "prediction", "confidence", "not_a_digit", "margin", "scores", "model_version", "created_at"}
NAMES |= {"drawing", "reason"}


def spread(count: int) -> dict[int, float | None]:
    """Margins in no order of the ids."""
    return {id_: (id_ * 37 % 101) / 101 for id_ in range(1, count + 1)}


def test_nothing_to_review_is_an_empty_page(client: TestClient, database_url: str) -> None:
    assert page(client) == []
    assert reviews(database_url) == {}


def test_item_has_the_prediction_margin_picture_and_reason(client: TestClient) -> None:
    answer = client.post("/classify", json=DRAWING).json()
    response = client.get("/review")
    (item,) = response.json()["results"]
    assert set(item) == NAMES
    assert {name: item[name] for name in answer} == answer
    second, first = sorted(answer["scores"].values())[-2:]
    assert item["margin"] == pytest.approx(first - second)
    assert item["reason"] == "random"
    assert client.get(item["drawing"]).headers["content-type"] == "image/png"
    assert response.headers["cache-control"] == "private, no-store"
    reserved = datetime.fromisoformat(response.json()["reserved_until"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < reserved <= timedelta(minutes=10)


def test_two_of_ten_are_random_and_the_rest_have_the_smallest_margins_in_order(
    client: TestClient, database_url: str
) -> None:
    margins = spread(100)
    add_drawings(database_url, margins)
    items = page(client)
    assert [item["reason"] for item in items] == ["random"] * 2 + ["smallest margin"] * 8
    others = sorted(set(margins) - set(ids(items[:2])), key=lambda id_: (margins[id_], id_))
    assert ids(items[2:]) == others[:8]
    assert [item["margin"] for item in items] == [margins[id_] for id_ in ids(items)]


@pytest.mark.parametrize("changed", ["scores = 'nope'", "scores = '[null, 1]'", "scores = '5'", "margin = 'small'"])
def test_drawing_with_invalid_numbers_is_offered_without_them(
    sqlite_client: TestClient, sqlite_url: str, changed: str
) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    execute(sqlite_url, f"UPDATE drawings SET {changed}")
    (item,) = page(sqlite_client)
    assert item[changed.partition(" ")[0]] is None


@pytest.mark.parametrize(("margin", "queue"), [(0.1, "uncertain"), (0.9, "uncertain"), (0.9, "not_a_digit")])
def test_predictions_deleted_without_foreign_keys_hide_no_others(
    sqlite_client: TestClient, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, margin: float, queue: str
) -> None:
    monkeypatch.setattr("app.repository.review.MAX_CANDIDATES", 20)
    first, last = range(1, 11), range(11, 61)
    told = dict.fromkeys((*first, *last), 0.9) if queue == "not_a_digit" else {}
    add_drawings(sqlite_url, {**dict.fromkeys(first, margin + 0.05), **dict.fromkeys(last, margin)}, not_a_digit=told)
    with connected(sqlite_url) as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 0
        connection.execute(text("DELETE FROM predictions WHERE id > 10"))
    assert sorted(ids(page(sqlite_client, queue=queue))) == list(first)


def test_page_has_limit_items_or_all_there_are(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, spread(30))
    assert len(page(client, limit=1)) == 1
    assert len(page(client)) == 10
    assert len(page(client, limit=100)) == 19
    assert page(client) == []


def test_labelled_drawing_is_never_offered_even_if_reserved(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, spread(12))
    add_labels(database_url, {1: "7", 2: "none"})
    assert set(ids(page(client, limit=100, reviewer="anna"))) == set(range(3, 13))
    for id_ in range(3, 12):
        client.put(f"/results/{id_}/label", json={"label": "3"})
        client.put(f"/results/{id_}/label", json={"label": "7"})
    assert ids(page(client, limit=100, reviewer="anna")) == [12]
    let_reservations_end(database_url)
    assert ids(page(client, limit=100)) == [12]


def test_calls_without_a_reviewer_get_other_drawings_each_time(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, spread(25))
    pages = [set(ids(page(client))) for _ in range(4)]
    assert [len(found) for found in pages] == [10, 10, 5, 0]
    assert set.union(*pages) == set(range(1, 26))


def test_reviewer_gets_only_the_drawings_reserved_for_that_name(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, spread(60))
    annas, bobs, unnamed = page(client, reviewer="anna"), page(client, reviewer="bob"), page(client)
    assert not set(ids(annas)) & set(ids(bobs))
    assert not set(ids(annas + bobs)) & set(ids(unnamed))
    assert set(ids(page(client, reviewer="anna"))) == set(ids(annas))
    assert set(ids(page(client, reviewer="anna", limit=3))) < set(ids(annas))
    assert {state[1] for state in reviews(database_url).values() if state[2]} == {"anna", "bob", None}


def test_reserved_drawings_come_first_and_new_ones_fill_the_page(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, spread(60))
    before = page(client, reviewer="anna")
    for id_ in ids(before)[:5]:
        client.put(f"/results/{id_}/label", json={"label": "7"})
    after = page(client, reviewer="anna")
    assert set(ids(after[:5])) == set(ids(before[5:]))
    assert len(after) == 10
    assert not set(ids(after[5:])) & set(ids(before))
    # Five new drawings, one of them random.
    assert [item["reason"] for item in after[5:]] == ["random"] + ["smallest margin"] * 4


def test_second_call_renews_the_reservation(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, {1: 0.5})
    page(client, reviewer="anna")
    moment = datetime.now(UTC) - timedelta(minutes=9)
    execute(database_url, f"UPDATE reviews SET offered_at = '{moment:%Y-%m-%d %H:%M:%S.%f}'")
    assert ids(page(client, reviewer="anna")) == [1]
    later = rows(database_url, f"SELECT 1 FROM reviews WHERE offered_at > '{moment:%Y-%m-%d %H:%M:%S.%f}'")
    assert len(later) == 1


def test_drawing_is_offered_to_others_after_its_reservation(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, spread(8))
    offered = ids(page(client, reviewer="anna"))
    assert page(client, reviewer="bob") == []
    let_reservations_end(database_url)
    assert set(ids(page(client, reviewer="bob"))) == set(offered)
    assert page(client, reviewer="anna") == []


def test_expired_reservation_gives_no_priority(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, spread(20))
    execute(
        database_url,
        f"INSERT INTO reviews VALUES (1, false, 'anna', '{LONG_AGO}')",
        "INSERT INTO reviews VALUES (2, false, 'anna', CURRENT_TIMESTAMP)",
    )
    assert ids(page(client, reviewer="anna", limit=1)) == [2]


def test_many_identical_drawings_are_not_all_compared(database: Database, database_url: str) -> None:
    flood = dict.fromkeys(range(1, MAX_CANDIDATES + 1), 0.1)
    add_drawings(database_url, {**flood, FAR: 0.2}, dict.fromkeys(flood, drawing_of(1)["pixels"]))

    def offered(session: Session) -> list[int]:
        return [item.id for item in offer(session, ReviewQuery(limit=2), Random(1)).results]

    first, second = (asyncio.run(database.write(offered)) for _ in range(2))
    assert (len(first), FAR in first) == (1, False)
    assert (len(second), FAR in second) == (2, True)


def test_page_has_no_near_duplicates(client: TestClient, database_url: str) -> None:
    same = drawing_of(1)["pixels"]
    add_drawings(database_url, {id_: 0.01 * id_ for id_ in range(1, 15)}, dict.fromkeys(range(1, 13), same))
    offered = [set(ids(page(client, limit=5, reviewer="anna"))) for _ in range(2)]
    assert offered[0] == offered[1]
    assert len(offered[0]) == 3
    assert offered[0] > {13, 14}
    others = [set(ids(page(client, limit=5))) for _ in range(11)]
    assert [len(found) for found in others] == [1] * 11
    assert len(set.union(*offered, *others)) == 14


def test_drawing_without_a_margin_is_only_in_the_sample(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, dict.fromkeys(range(1, 31)))
    items = page(client)
    assert [(item["reason"], item["margin"]) for item in items] == [("random", None)] * 2


def test_row_without_a_drawing_is_never_offered(client: TestClient, database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO predictions (id, prediction, confidence, model_version) VALUES (1, '7', 0.94, 'v1')",
        f"INSERT INTO predictions (id, prediction, confidence, model_version) VALUES ({FAR}, '7', 0.94, 'v1')",
    )
    assert page(client) == []
    add_drawings(database_url, {5: 0.1})
    assert ids(page(client)) == [5]


def test_deleted_prediction_is_not_offered_again(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, spread(6))
    assert len(page(client, reviewer="anna")) == 6
    assert client.delete("/results/3").status_code == 204
    assert set(ids(page(client, reviewer="anna"))) == {1, 2, 4, 5, 6}
    assert 3 not in reviews(database_url)


def test_key_is_needed_even_if_results_are_public(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, spread(6))
    for headers in ({"X-API-Key": ""}, {"X-API-Key": "wrong"}):
        assert_problem(client.get("/review", headers=headers), HTTPStatus.UNAUTHORIZED)
    assert reviews(database_url) == {}


REFUSED = [
    *(("limit", limit) for limit in ("0", "101", "-1", "ten", "", "1.5", "nan", "9" * 5000, "%00", "%ff", "null")),
    ("reviewer", ""),
    ("reviewer", "%00"),
    ("reviewer", "x" * 65),
    ("queue", "none"),
    ("queue", ""),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_invalid_parameter_is_refused(sqlite_client: TestClient, name: str, value: str) -> None:
    problem = assert_problem(sqlite_client.get(f"/review?{name}={value}"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert [error["loc"] for error in problem["errors"]] == [["query", name]]


def test_unknown_parameter_is_refused_and_not_repeated(sqlite_client: TestClient) -> None:
    response = sqlite_client.get("/review?reveiwer=anna")
    assert set(assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")) == PLAIN | {"errors"}
    assert "reveiwer" not in response.text


@pytest.mark.parametrize("name", ["Øyvind 🎉", "'; DROP TABLE reviews; --", "%", "a\nb", " "])
def test_any_text_can_be_a_reviewer(client: TestClient, database_url: str, name: str) -> None:
    add_drawings(database_url, spread(20))
    mine = page(client, reviewer=name, limit=5)
    assert set(ids(page(client, reviewer=name, limit=5))) == set(ids(mine))
    assert len(page(client, reviewer="another", limit=100)) == 15


QUEUE = "ORDER BY review_queue.priority"
OTHERS = "drawings.margin >"


def statements_by_margin(client: TestClient) -> list[Statement]:
    with executed() as seen:
        page(client, reviewer="anna")
    return [statement for statement in seen if QUEUE in statement.text or OTHERS in statement.text]


def test_review_walks_its_queue(start: Start, sqlite_url: str) -> None:
    add_drawings(sqlite_url, spread(100))
    (walk,) = statements_by_margin(start(DATABASE_URL=sqlite_url))
    plan = sqlite_plan(walk)
    assert plan[0].startswith("SEARCH review_queue USING PRIMARY KEY (queue=?)"), plan
    assert not [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step], plan


def test_postgresql_can_walk_the_queue(start: Start, truncated_postgres_url: str) -> None:
    add_drawings(truncated_postgres_url, spread(100))
    (walk,) = statements_by_margin(start(DATABASE_URL=truncated_postgres_url))
    with get_database().engine.connect() as connection:
        # With 100 rows the planner prefers a sequential scan.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {walk.text}", walk.values))
    assert "review_queue_pkey" in plan, plan


def test_larger_margins_follow_when_there_are_no_more_small_ones(client: TestClient, database_url: str) -> None:
    margins = {id_: SMALL_MARGIN + (id_ * 37 % 101 - 10) / 1000 for id_ in range(1, 101)}
    assert SMALL_MARGIN in margins.values()
    add_drawings(database_url, {**margins, FAR: None})
    items = page(client, limit=100)
    sampled = {item["id"] for item in items if item["reason"] == "random"}
    others = sorted(margins.keys() - sampled, key=lambda id_: (margins[id_], id_))
    assert ids(items) == [*ids(items)[: len(sampled)], *others][:100]
    assert len(statements_by_margin(client)) == 2
