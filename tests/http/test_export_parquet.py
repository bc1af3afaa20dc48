"""GET /export?format=parquet."""

import hashlib
import sys
from datetime import datetime
from http import HTTPStatus

import pytest
from starlette.testclient import TestClient

from tests.support.export_files import LAST_WITHOUT_DRAWING, ROWS, fill, lines_of, table_of
from tests.support.service import assert_problem


@pytest.fixture
def full(client: TestClient, database_url: str) -> TestClient:
    """The service with many rows, some without a drawing."""
    fill(database_url)
    return client


def test_parquet_has_the_rows_of_csv_and_the_values_of_jsonl(full: TestClient) -> None:
    rows = table_of(full, include_unlabelled=True).to_pylist()
    assert [row["id"] for row in rows] == [row.id for row in ROWS]
    lines = {line["id"]: line for line in lines_of(full, include_unlabelled=True)}
    assert {row["id"] for row in rows} - lines.keys() == set(range(1, LAST_WITHOUT_DRAWING + 1))
    for row in rows:
        if row["pixels"] is None:
            assert (row["scores"], row["split"]) == (None, None)
            continue
        line = lines[row["id"]]
        assert hashlib.sha256(row.pop("pixels")).hexdigest() == line.pop("sha256")
        time = line["created_at"]
        other = {"created_at": time and datetime.fromisoformat(time), "scores": list(line["scores"].values())}
        del line["pixels"]
        assert row == {**line, **other}


def test_parquet_without_its_package_is_refused(sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    response = sqlite_client.get("/export?format=parquet")
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    (error,) = problem["errors"]
    assert error["loc"] == ["query", "format"]
    assert "pip install -r deploy/parquet/requirements.txt" in error["msg"]
    assert sqlite_client.get("/export?format=csv").status_code == 200
