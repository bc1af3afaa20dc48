"""The command line beside a running service, each in a process of its own."""

import json
from pathlib import Path
from random import Random

import pytest
from command_line import Outcome, run_process
from process import Load, Service, drawing, missing, serving
from service import rows, stored

from app.cli.status import Status


@pytest.fixture
def command(database_url: str, tmp_path: Path) -> "Command":
    return Command(database_url, tmp_path)


class Command:
    """Runs commands on the database of the service."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._settings = {"DATABASE_URL": database_url}
        self._folder = folder

    def run(self, *arguments: str) -> Outcome:
        return run_process(self._folder, *arguments, **self._settings)

    def done(self, *arguments: str) -> str:
        outcome = self.run(*arguments)
        assert outcome.status == 0, outcome.err
        return outcome.out


def get(service: Service, path: str) -> object:
    with service.client() as client:
        return client.get(path).json()


def test_service_sees_what_the_command_line_writes_and_loses_nothing_meanwhile(
    database_url: str, tmp_path: Path, command: Command
) -> None:
    with serving(database_url, tmp_path) as service:
        with service.client() as client:
            first = client.classify(drawing(Random(0))).json()["id"]
        with Load(service.port, clients=2) as load:
            for word in ("3", "none", "5"):
                command.done("label", str(first), word)
            command.done("notes", str(first), "seen")
            listed = json.loads(command.done("results", "--limit", "5", "--json"))
            load.wait_for(20)
        assert len(listed["results"]) == 5
        assert load.refused == []
        record = get(service, f"/results/{first}")
        assert isinstance(record, dict)
        assert (record["label"], record["notes"]) == ("5", "seen")
        assert [said["label"] for said in get(service, f"/results/{first}/labels")["labels"]] == ["5", "none", "3"]  # type: ignore[index]
        command.done("delete", str(first), "--yes")
        with service.client() as client:
            assert client.get(f"/results/{first}").status_code == 404
        service.stop()
    assert missing(load.acknowledged, database_url) == []


def test_command_line_leaves_sqlite_s_log_to_the_service(sqlite_url: str, tmp_path: Path) -> None:
    command = Command(sqlite_url, tmp_path)
    file, log = tmp_path / "pixelwise.db", tmp_path / "pixelwise.db-wal"
    with serving(sqlite_url, tmp_path) as service:
        with service.client() as client:
            first = client.classify(drawing(Random(0))).json()["id"]
        in_file, in_log = file.read_bytes(), log.read_bytes()
        for arguments in (("results",), ("label", str(first), "7"), ("stats",), ("export", "drawings.npz")):
            command.done(*arguments)
            assert file.read_bytes() == in_file
        assert log.read_bytes().startswith(in_log)
        assert len(log.read_bytes()) > len(in_log)
        service.stop()
    assert rows(sqlite_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert rows(sqlite_url, "SELECT label FROM labels") == [{"label": "7"}]


def test_check_finds_what_is_wrong_without_changing_it(sqlite_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": sqlite_url, "SECRET_API_KEY": "a-key", "MODEL_PATH": "/nowhere/model.onnx"}
    outcome = run_process(tmp_path, "check", **settings)
    assert (outcome.status, outcome.err) == (Status.NOT_DONE, "")
    states = dict(line.split(maxsplit=1) for line in outcome.out.splitlines())
    assert states["model"].startswith("cannot read the model /nowhere/model.onnx")
    assert (states["settings"].strip(), states["schema"].strip(), states["database"].strip()) == ("ok", "ok", "ok")


def test_check_leaves_a_database_alone_that_is_not_ours(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    (tmp_path / "other.db").touch()
    outcome = run_process(tmp_path, "check", "--json", DATABASE_URL=url)
    assert outcome.status == Status.NOT_DONE
    checks = json.loads(outcome.out)["checks"]
    assert checks["settings"].startswith("SECRET_API_KEY is not set")
    assert checks["schema"].endswith("run: alembic upgrade head")
    assert checks["database"] == "not checked"
    assert (tmp_path / "other.db").read_bytes() == b""


def test_upgrade_makes_the_tables_and_is_safe_to_repeat(empty_database_url: str, tmp_path: Path) -> None:
    command = Command(empty_database_url, tmp_path)
    assert command.run("results").status == Status.CANNOT_WORK
    for _ in range(2):
        assert command.run("upgrade").status == 0
    assert json.loads(command.done("results", "--json")) == {"results": [], "next": None}
    assert stored(empty_database_url) == (0, 0)


def test_upgrade_that_is_refused_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"no database" * 100)
    outcome = run_process(tmp_path, "upgrade", DATABASE_URL=f"sqlite:///{tmp_path / 'notes.db'}")
    assert (outcome.status, outcome.out) == (Status.CANNOT_WORK, "")
    assert outcome.err.startswith("pixelwise: ")
    assert outcome.err.count("\n") == 1


def test_serve_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    outcome = run_process(tmp_path, "serve", DATABASE_URL="sqlite:///missing.db", SECRET_API_KEY="a-key")
    assert outcome.status == Status.CANNOT_WORK
    assert outcome.err.count("pixelwise: there is no database at ") == 1
    assert "Traceback" not in outcome.err
