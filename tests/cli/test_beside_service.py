"""Commands beside a running service, and commands that start or prepare one."""

import json
from pathlib import Path
from random import Random

import pytest

from app.cli.exit_codes import ExitCode
from app.database.schema_version import schema_revision
from tests.support.command_line import done, refused, run, run_process
from tests.support.service import rows, stored
from tests.support.service_process import Load, drawing, missing, serving

pytestmark = pytest.mark.slow


def test_service_sees_changes_of_commands_and_loses_nothing_meanwhile(
    configured_database_url: str, tmp_path: Path
) -> None:
    with serving(configured_database_url, tmp_path) as service, service.client() as client:
        first = client.classify(drawing(Random(0))).json()["id"]
        with Load(service.port, clients=2) as load:
            for value in ("3", "none", "5"):
                done("label", str(first), value)
            done("notes", str(first), "seen")
            listed = json.loads(done("results", "--limit", "5", "--json"))["results"]
            load.wait_for(20)
        assert load.refused == []
        assert all(row["id"] in load.acknowledged or row["id"] == first for row in listed)
        record = client.get(f"/results/{first}").json()
        assert (record["label"], record["notes"]) == ("5", "seen")
        labels = client.get(f"/results/{first}/labels").json()["labels"]
        assert [label["label"] for label in labels] == ["5", "none", "3"]
        done("delete", str(first), "--yes")
        assert client.get(f"/results/{first}").status_code == 404
        service.stop()
    assert missing(load.acknowledged, configured_database_url) == []


def test_commands_do_not_checkpoint_the_wal_of_a_running_service(configured_sqlite: str, tmp_path: Path) -> None:
    file, wal = tmp_path / "pixelwise.db", tmp_path / "pixelwise.db-wal"
    with serving(configured_sqlite, tmp_path) as service, service.client() as client:
        first = client.classify(drawing(Random(0))).json()["id"]
        in_file, in_wal = file.read_bytes(), wal.read_bytes()
        for arguments in (("results",), ("label", str(first), "7"), ("export", "drawings.npz")):
            done(*arguments)
            assert file.read_bytes() == in_file
        assert wal.read_bytes().startswith(in_wal)
        assert len(wal.read_bytes()) > len(in_wal)
        service.stop()
    assert rows(configured_sqlite, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert rows(configured_sqlite, "SELECT label FROM labels") == [{"label": "7"}]


def test_check_reports_a_missing_model(sqlite_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": sqlite_url, "SECRET_API_KEY": "a-key", "MODEL_PATH": "/nowhere/model.onnx"}
    outcome = run_process(tmp_path, "check", **settings)
    assert (outcome.status, outcome.err) == (ExitCode.FAILURE, "")
    states = dict(line.split(maxsplit=1) for line in outcome.out.splitlines())
    assert states["model"].startswith("cannot read the model /nowhere/model.onnx")
    assert (states["settings"].strip(), states["schema"].strip(), states["write"].strip()) == ("ok", "ok", "ok")


def test_check_does_not_write_to_a_database_of_another_program(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    (tmp_path / "other.db").touch()
    outcome = run_process(tmp_path, "check", "--json", DATABASE_URL=url)
    assert outcome.status == ExitCode.FAILURE
    checks = json.loads(outcome.out)["checks"]
    assert checks["settings"].startswith("SECRET_API_KEY is not set")
    assert checks["schema"].endswith("run: alembic upgrade head")
    assert checks["write"] == "not checked"
    assert (tmp_path / "other.db").read_bytes() == b""


def test_upgrade_creates_the_tables_and_can_be_repeated(
    settings_environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    settings_environment.setenv("DATABASE_URL", empty_database_url)
    refused(ExitCode.UNAVAILABLE, "results")
    for _ in range(2):
        assert run("upgrade") == (0, "", f"The database is at revision {schema_revision()}.\n")
    assert json.loads(done("results", "--json")) == {"results": [], "next": None}
    assert stored(empty_database_url) == (0, 0)


def test_failed_upgrade_prints_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"no database" * 100)
    outcome = run_process(tmp_path, "upgrade", DATABASE_URL=f"sqlite:///{tmp_path / 'notes.db'}")
    assert (outcome.status, outcome.out) == (ExitCode.UNAVAILABLE, "")
    assert outcome.err.startswith("pixelwise: ")
    assert outcome.err.count("\n") == 1


def test_serve_without_a_database_prints_one_line(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": "sqlite:///missing.db", "SECRET_API_KEY": "a-key"}
    outcome = run_process(tmp_path, "serve", fork=False, **settings)
    assert outcome.status == ExitCode.UNAVAILABLE
    assert outcome.err.count("pixelwise: there is no database at ") == 1
    assert "Traceback" not in outcome.err
