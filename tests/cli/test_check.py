"""`python -m app check`."""

import json
from pathlib import Path

from starlette.testclient import TestClient

from app.cli.exit_codes import ExitCode
from tests.support.command_line import done, run, run_process
from tests.support.databases import migrate
from tests.support.service import execute


def test_check_reports_ok_for_every_check(sqlite_client: TestClient) -> None:
    assert [line.split() for line in done("check").splitlines()] == [
        ["settings", "ok"],
        ["model", "ok"],
        ["schema", "ok"],
        ["write", "ok"],
    ]
    checks = {"settings": "ok", "model": "ok", "schema": "ok", "write": "ok"}
    assert json.loads(done("check", "--json")) == {"status": "ready", "checks": checks}
    # An alert has one of these names.
    served = sqlite_client.get("/health/ready").json()["checks"]
    assert served == {name: state for name, state in checks.items() if name != "settings"}


def test_check_in_a_new_process_names_a_missing_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pixelwise.db'}"
    migrate(url, "stamp", "head")
    outcome = run_process(tmp_path, "check", fork=False, DATABASE_URL=url, SECRET_API_KEY="a-key-of-many-letters")
    assert outcome.status == ExitCode.FAILURE
    assert "schema    the table predictions is missing" in outcome.out


def test_check_of_numbers_repairs_counts_that_differ_from_the_rows(sqlite_client: TestClient, sqlite_url: str) -> None:
    insert = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.9, 'v1')"
    execute(sqlite_url, insert, "DELETE FROM prediction_changes")
    repaired, again = run("check", "--numbers"), run("check", "--numbers", "--json")
    assert repaired.out.splitlines()[-1].split() == ["numbers", "ok"]
    assert repaired.err == "2 counts differed from the rows, so all were counted again.\n"
    assert sqlite_client.get("/stats").json()["count"] == 1
    assert (json.loads(again.out)["checks"]["numbers"], again.err) == ("ok", "")


def test_check_of_numbers_repairs_current_labels_that_differ_from_the_labels(
    sqlite_client: TestClient, sqlite_url: str
) -> None:
    insert = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.9, 'v1')"
    label = "INSERT INTO labels (prediction_id, label) VALUES ({}, '{}')"
    # One without its label, one with another label, one that has none, and one that is right.
    execute(
        sqlite_url,
        *(insert for _ in range(4)),
        label.format(1, 7),
        label.format(2, 3),
        label.format(2, 7),
        label.format(4, 1),
        "DELETE FROM labelled_predictions WHERE prediction_id = 1",
        "UPDATE labelled_predictions SET label = '3' WHERE prediction_id = 2",
        "INSERT INTO labelled_predictions SELECT 3, label, prediction, model_version, confidence, not_a_digit"
        " FROM labelled_predictions WHERE prediction_id = 4",
    )
    repaired, again = run("check", "--numbers"), run("check", "--numbers", "--json")
    assert repaired.err == ("3 labelled predictions differed from the labels, so all were listed again.\n")
    assert [one["id"] for one in sqlite_client.get("/results?label=7").json()["results"]] == [2, 1]
    assert (json.loads(again.out)["checks"]["numbers"], again.err) == ("ok", "")
