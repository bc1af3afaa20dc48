"""Statistics of rows that the counts do not include yet."""

from starlette.testclient import TestClient

from app.database import get_database
from app.repository import counts
from tests.support.stored_rows import BEGIN, random_rows, store

ROWS = random_rows(300)


def test_statistics_are_the_same_before_the_rows_are_counted(client: TestClient, database_url: str) -> None:
    store(database_url, ROWS)
    paths = ("/stats", f"/stats?since={BEGIN.isoformat()[:19]}", "/stats/timeline?bucket=week&since=2026-01-01")
    paths = (*paths, "/stats/calibration", "/models")
    counted = [client.get(path).json() for path in paths]
    with get_database().transaction() as session:
        counts.clear(session)
    assert [client.get(path).json() for path in paths] == counted
