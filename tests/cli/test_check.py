"""`python -m app check`."""

import json

from starlette.testclient import TestClient

from tests.support.command_line import done, run
from tests.support.service import execute


def test_check_reports_ok_for_every_check(sqlite_client: TestClient) -> None:
    assert [line.split() for line in done("check").splitlines()] == [
        ["settings", "ok"],
        ["model", "ok"],
        ["schema", "ok"],
        ["database", "ok"],
    ]
    checks = {"settings": "ok", "model": "ok", "schema": "ok", "database": "ok"}
    assert json.loads(done("check", "--json")) == {"status": "ready", "checks": checks}


def test_check_of_numbers_repairs_counts_that_differ_from_the_rows(sqlite_client: TestClient, sqlite_url: str) -> None:
    insert = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.9, 'v1')"
    execute(sqlite_url, insert, "DELETE FROM prediction_changes")
    repaired, again = run("check", "--numbers"), run("check", "--numbers", "--json")
    assert repaired.out.splitlines()[-1].split() == ["numbers", "ok"]
    assert repaired.err == "2 counts differed from the rows, so all were counted again.\n"
    assert sqlite_client.get("/stats").json()["count"] == 1
    assert (json.loads(again.out)["checks"]["numbers"], again.err) == ("ok", "")
