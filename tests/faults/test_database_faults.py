"""Database faults: the client gets an error at once, nothing is stored, and the service recovers."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, text
from starlette.testclient import TestClient

from app.database import get_database
from tests.support.service import (
    DRAWING,
    assert_storage_problem,
    connected,
    execute,
    hidden,
    random_drawings,
    rows,
    stored,
)
from tests.support.waiting import wait_until

Fault = Callable[[str], AbstractContextManager[None]]


@contextmanager
def table_missing(database_url: str) -> Iterator[None]:
    with hidden(database_url, "predictions"):
        yield


@contextmanager
def second_table_missing(database_url: str) -> Iterator[None]:
    with hidden(database_url, "drawings"):
        yield


@contextmanager
def file_moved(database_url: str) -> Iterator[None]:
    path = Path(make_url(database_url).database or "")
    away = path.with_suffix(".away")
    path.rename(away)
    try:
        yield
    finally:
        away.rename(path)


@contextmanager
def file_replaced(database_url: str) -> Iterator[None]:
    """As when a backup is put in the place of the file of a running service."""
    path = Path(make_url(database_url).database or "")
    with file_moved(database_url):
        path.write_bytes(path.with_suffix(".away").read_bytes())
        yield


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    with get_database().engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    with connected(database_url) as other:
        other.execute(text("BEGIN IMMEDIATE"))
        yield


@contextmanager
def table_locked(database_url: str) -> Iterator[None]:
    with connected(database_url) as other:
        other.execute(text("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE"))
        yield


@contextmanager
def server_gone(database_url: str) -> Iterator[None]:
    """Every connection ends and no new one is accepted, as while PostgreSQL restarts."""
    name = make_url(database_url).database
    with psycopg.connect(database_url, dbname="postgres", autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


BOTH: list[Fault] = [table_missing, second_table_missing]
ON_SQLITE: list[Fault] = [*BOTH, file_moved, file_replaced, locked]
ON_POSTGRES: list[Fault] = [*BOTH, table_locked, server_gone]


def check_fault(client: TestClient, database_url: str, fault: Fault) -> None:
    assert client.post("/classify", json=DRAWING).status_code == 200
    with fault(database_url):
        response = client.post("/classify", json=DRAWING)
        problem = assert_storage_problem(response)
        # The cause names tables, files and hosts, so only the log has it.
        for inner in ("predictions", "drawings", "pixelwise", "sqlite", "INSERT"):
            assert inner not in problem["detail"]
    assert client.post("/classify", json=DRAWING).status_code == 200
    assert stored(database_url) == (2, 2)


@pytest.mark.parametrize("fault", ON_SQLITE)
def test_sqlite_stores_nothing_in_a_fault_and_recovers(
    sqlite_client: TestClient, sqlite_url: str, fault: Fault
) -> None:
    check_fault(sqlite_client, sqlite_url, fault)


@pytest.mark.parametrize("fault", ON_POSTGRES)
def test_postgresql_stores_nothing_in_a_fault_and_recovers(start: Any, postgres_url: str, fault: Fault) -> None:
    check_fault(start(DATABASE_URL=postgres_url), postgres_url, fault)


def test_missing_table_is_reported_to_readers_too(client: TestClient, database_url: str) -> None:
    prediction_id = client.post("/classify", json=DRAWING).json()["id"]
    pages = ("/results", f"/results/{prediction_id}")
    with hidden(database_url, "predictions"):
        for page in pages:
            assert_storage_problem(client.get(page))
    with hidden(database_url, "drawings"):
        assert_storage_problem(client.get(f"/results/{prediction_id}/drawing.png"))
    assert {client.get(page).status_code for page in (*pages, f"/results/{prediction_id}/drawing.png")} == {200}


def test_reads_continue_while_writes_fail(sqlite_client: TestClient, sqlite_url: str) -> None:
    prediction_id = sqlite_client.post("/classify", json=DRAWING).json()["id"]
    with locked(sqlite_url):
        assert_storage_problem(sqlite_client.post("/classify", json=DRAWING))
        for page in ("/results", f"/results/{prediction_id}", f"/results/{prediction_id}/drawing.png"):
            assert sqlite_client.get(page).status_code == 200


def test_file_moved_before_a_batch_commits_stores_none_of_it(sqlite_client: TestClient, sqlite_url: str) -> None:
    with ThreadPoolExecutor(20) as callers, ExitStack() as away:
        with connected(sqlite_url) as other:
            other.execute(text("BEGIN IMMEDIATE"))
            waiting = [callers.submit(sqlite_client.post, "/classify", json=DRAWING) for _ in range(20)]
            # The requests that wait for the lock are committed in one batch.
            time.sleep(0.5)
            away.enter_context(file_moved(sqlite_url))
        for call in waiting:
            assert_storage_problem(call.result())
    assert stored(sqlite_url) == (0, 0)
    assert sqlite_client.post("/classify", json=DRAWING).status_code == 200


def limit_pages(more: int | None) -> None:
    """Limit the growth of the database to `more` pages, as a full disk does; None lifts the limit."""
    with get_database().engine.connect() as connection:
        used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={2**30 if more is None else used + more}")


def test_full_disk_is_reported_until_there_is_room(sqlite_client: TestClient, sqlite_url: str) -> None:
    drawings = random_drawings(40)

    def statuses() -> list[int]:
        responses = [sqlite_client.post("/classify", json={"pixels": drawing.tolist()}) for drawing in drawings]
        for response in responses:
            if response.status_code != HTTPStatus.OK:
                problem = assert_storage_problem(response, HTTPStatus.INSUFFICIENT_STORAGE)
                assert "full" in problem["detail"]
        return [response.status_code for response in responses]

    limit_pages(5)
    while_full = statuses()
    assert 0 < while_full.count(200) < len(while_full)
    assert stored(sqlite_url) == (while_full.count(200),) * 2
    assert sqlite_client.get("/results").status_code == 200
    limit_pages(None)
    assert statuses() == [200] * len(drawings)
    assert stored(sqlite_url) == (while_full.count(200) + len(drawings),) * 2


def test_full_disk_under_concurrent_requests_keeps_exactly_the_acknowledged_rows(
    sqlite_client: TestClient, sqlite_url: str
) -> None:
    limit_pages(5)
    with ThreadPoolExecutor(20) as callers:
        codes = list(callers.map(lambda _: sqlite_client.post("/classify", json=DRAWING).status_code, range(80)))
    assert set(codes) == {200, 507}
    assert stored(sqlite_url) == (codes.count(200),) * 2
    limit_pages(None)
    assert sqlite_client.post("/classify", json=DRAWING).status_code == 200


def test_connections_ended_between_requests_fail_no_request(start: Any, postgres_url: str) -> None:
    client = start(DATABASE_URL=postgres_url)
    for _ in range(3):
        assert client.post("/classify", json=DRAWING).status_code == 200
        assert client.get("/results").status_code == 200
        execute(
            postgres_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
    assert client.post("/classify", json=DRAWING).status_code == 200
    assert stored(postgres_url) == (4, 4)


def test_connection_ended_during_a_request_stores_nothing(start: Any, postgres_url: str) -> None:
    client = start(DATABASE_URL=postgres_url)
    with table_locked(postgres_url), ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(client.post, "/classify", json=DRAWING)

        def ended() -> bool:
            return bool(
                rows(
                    postgres_url,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'",
                )
            )

        wait_until(ended, "the write was ended")
        assert_storage_problem(waiting.result())
    assert stored(postgres_url) == (0, 0)
    assert client.post("/classify", json=DRAWING).status_code == 200


@pytest.mark.parametrize("fault", [nullcontext, table_missing])
def test_concurrent_requests_are_answered_and_exactly_the_acknowledged_rows_stored(
    client: TestClient, database_url: str, fault: Fault
) -> None:
    with ThreadPoolExecutor(20) as callers:
        first = callers.map(lambda _: client.post("/classify", json=DRAWING).status_code, range(40))
        with fault(database_url):
            codes = list(callers.map(lambda _: client.post("/classify", json=DRAWING).status_code, range(40)))
        codes += first
    assert set(codes) <= {200, 503}
    assert stored(database_url) == (codes.count(200),) * 2
