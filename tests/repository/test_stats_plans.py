"""The times of the newest predictions are read by their ids."""

from starlette.testclient import TestClient

from tests.support.http_fixtures import Start
from tests.support.service import execute
from tests.support.sql_statements import executed


def times_of_the_newest(client: TestClient) -> list[str]:
    """The plan of PostgreSQL for the statement that finds them."""
    with executed() as seen:
        assert client.get("/stats", params={"last": "1000"}).status_code == 200
    [statement] = [each for each in seen if "min(" in each.text and "created_at" in each.text]
    with statement.engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement.text}", statement.values)]


def test_postgresql_does_not_search_them_from_the_oldest_on(start: Start, truncated_postgres_url: str) -> None:
    execute(
        truncated_postgres_url,
        "INSERT INTO predictions (prediction, confidence, model_version, created_at)"
        " SELECT '7', 0.9, 'v1', now() - (20000 - n) * interval '1 second' FROM generate_series(1, 20000) n",
        "ANALYZE predictions",
    )
    plan = times_of_the_newest(start(DATABASE_URL=truncated_postgres_url))
    assert "created_at" not in "".join(plan)
    assert "predictions_pkey" in "".join(plan)
