"""The command line beside a running service that is a process of its own; what starts and prepares a service."""

import json
from pathlib import Path
from random import Random

import pytest

from app.cli.exit_codes import ExitCode
from app.database.schema_version import schema_revision
from tests.support.command_line import done, refused, run, run_process
from tests.support.service import rows, stored
from tests.support.service_process import Load, drawing, missing, serving


def test_service_sees_what_the_command_line_writes_and_loses_nothing_meanwhile(
    configured_database_url: str, tmp_path: Path
) -> None:
    with serving(configured_database_url, tmp_path) as service, service.client() as client:
        first = client.classify(drawing(Random(0))).json()["id"]
        with Load(service.port, clients=2) as load:
            for word in ("3", "none", "5"):
                done("label", str(first), word)
            done("notes", str(first), "seen")
            listed = json.loads(done("results", "--limit", "5", "--json"))["results"]
            load.wait_for(20)
        assert load.refused == []
        assert all(row["id"] in load.acknowledged or row["id"] == first for row in listed)
        record = client.get(f"/results/{first}").json()
        assert (record["label"], record["notes"]) == ("5", "seen")
        labels = client.get(f"/results/{first}/labels").json()["labels"]
        assert [said["label"] for said in labels] == ["5", "none", "3"]
        done("delete", str(first), "--yes")
        assert client.get(f"/results/{first}").status_code == 404
        service.stop()
    assert missing(load.acknowledged, configured_database_url) == []


def test_command_line_leaves_sqlite_s_log_to_the_service(configured_sqlite: str, tmp_path: Path) -> None:
    file, log = tmp_path / "pixelwise.db", tmp_path / "pixelwise.db-wal"
    with serving(configured_sqlite, tmp_path) as service, service.client() as client:
        first = client.classify(drawing(Random(0))).json()["id"]
        in_file, in_log = file.read_bytes(), log.read_bytes()
        for arguments in (("results",), ("label", str(first), "7"), ("export", "drawings.npz")):
            done(*arguments)
            assert file.read_bytes() == in_file
        assert log.read_bytes().startswith(in_log)
        assert len(log.read_bytes()) > len(in_log)
        service.stop()
    assert rows(configured_sqlite, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert rows(configured_sqlite, "SELECT label FROM labels") == [{"label": "7"}]


def test_check_finds_what_is_wrong_without_changing_it(sqlite_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": sqlite_url, "SECRET_API_KEY": "a-key", "MODEL_PATH": "/nowhere/model.onnx"}
    outcome = run_process(tmp_path, "check", **settings)
    assert (outcome.status, outcome.err) == (ExitCode.FAILURE, "")
    states = dict(line.split(maxsplit=1) for line in outcome.out.splitlines())
    assert states["model"].startswith("cannot read the model /nowhere/model.onnx")
    assert (states["settings"].strip(), states["schema"].strip(), states["database"].strip()) == ("ok", "ok", "ok")


def test_check_leaves_a_database_alone_that_is_not_ours(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    (tmp_path / "other.db").touch()
    outcome = run_process(tmp_path, "check", "--json", DATABASE_URL=url)
    assert outcome.status == ExitCode.FAILURE
    checks = json.loads(outcome.out)["checks"]
    assert checks["settings"].startswith("SECRET_API_KEY is not set")
    assert checks["schema"].endswith("run: alembic upgrade head")
    assert checks["database"] == "not checked"
    assert (tmp_path / "other.db").read_bytes() == b""


def test_upgrade_makes_the_tables_and_is_safe_to_repeat(
    settings_environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    settings_environment.setenv("DATABASE_URL", empty_database_url)
    refused(ExitCode.UNAVAILABLE, "results")
    for _ in range(2):
        assert run("upgrade") == (0, "", f"The database is at revision {schema_revision()}.\n")
    assert json.loads(done("results", "--json")) == {"results": [], "next": None}
    assert stored(empty_database_url) == (0, 0)


def test_upgrade_that_is_refused_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"no database" * 100)
    outcome = run_process(tmp_path, "upgrade", DATABASE_URL=f"sqlite:///{tmp_path / 'notes.db'}")
    assert (outcome.status, outcome.out) == (ExitCode.UNAVAILABLE, "")
    assert outcome.err.startswith("pixelwise: ")
    assert outcome.err.count("\n") == 1


def test_serve_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    outcome = run_process(tmp_path, "serve", DATABASE_URL="sqlite:///missing.db", SECRET_API_KEY="a-key")
    assert outcome.status == ExitCode.UNAVAILABLE
    assert outcome.err.count("pixelwise: there is no database at ") == 1
    assert "Traceback" not in outcome.err
