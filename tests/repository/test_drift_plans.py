"""GET /stats/drift takes two statements, each along an index."""

import pytest
from starlette.testclient import TestClient

from tests.support.http_fixtures import Start
from tests.support.sql_statements import Statement, executed, sqlite_plan
from tests.support.stored_rows import random_rows, store

ROWS = random_rows(400)
WINDOWS: dict[str, tuple[dict[str, str], str]] = {
    "by number": ({"last": "300"}, "SCAN predictions"),
    "by number, of a version": ({"model_version": "v1"}, "ix_predictions_model_version_id (model_version=?"),
    "by time": ({"since": "2026-03-02"}, "ix_predictions_created_at_id (created_at>?)"),
    "by time, of a version": (
        {"since": "2026-03-02", "model_version": "v1"},
        "ix_predictions_created_at_id (created_at>?)",
    ),
}


def statements_of(client: TestClient, parameters: dict[str, str]) -> list[Statement]:
    """The statements on drawings during a call."""
    with executed() as seen:
        assert client.get("/stats/drift", params=parameters).status_code == 200
    return [statement for statement in seen if "drawings" in statement.text]


@pytest.mark.parametrize("name", WINDOWS)
def test_window_and_reference_take_one_statement_each(client: TestClient, database_url: str, name: str) -> None:
    store(database_url, ROWS, drawings=True)
    assert len(statements_of(client, WINDOWS[name][0])) == 2


@pytest.mark.parametrize("name", WINDOWS)
def test_sqlite_uses_an_index_in_the_order_of_the_page(start: Start, sqlite_url: str, name: str) -> None:
    store(sqlite_url, ROWS, drawings=True)
    parameters, walked = WINDOWS[name]
    window, _ = statements_of(start(DATABASE_URL=sqlite_url), parameters)
    plan = sqlite_plan(window)
    assert walked in plan[0], plan
    assert plan[1:] == ["SEARCH drawings USING INTEGER PRIMARY KEY (rowid=?)"]
