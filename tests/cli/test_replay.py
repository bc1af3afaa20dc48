"""`python -m app replay`."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.cli.exit_codes import ExitCode
from app.config import SHIPPED_MODEL
from tests.support.command_line import done, refused, run
from tests.support.model_files import model_of_nothing, swapping_model
from tests.support.service import DRAWING, execute


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for models and reports."""
    created = tmp_path / "replays"
    created.mkdir()
    return created


def test_report_is_printed_and_written(client: TestClient, folder: Path) -> None:
    ids = [client.post("/classify", json=DRAWING).json()["id"] for _ in range(3)]
    for id_ in ids[:2]:
        done("label", str(id_), "9")
    model = swapping_model(folder, 7, 9)
    outcome = run("replay", str(model), "--output", str(folder / "report"))
    assert outcome.status == 0, outcome.err
    assert "better" in outcome.out or "no difference can be shown" in outcome.out
    for name in ("report.json", "flips.html", "flips.csv"):
        assert (folder / "report" / name).exists()
        assert f"report/{name}" in outcome.err
    flips = [line.split() for line in outcome.out.splitlines()]
    assert ["7", "9", "3"] in flips
    (of_all, at_random) = (next(line for line in flips if line[:1] == [name]) for name in ("all", "drawn"))
    assert of_all[-1] in outcome.out.partition("p = ")[2]
    assert at_random[-1] == "-"


def test_json_is_the_report_only(client: TestClient, folder: Path) -> None:
    client.post("/classify", json=DRAWING)
    printed = json.loads(done("replay", str(SHIPPED_MODEL), "--output", str(folder / "report"), "--json"))
    assert printed == json.loads((folder / "report/report.json").read_text())
    assert (printed["drawings"], printed["agreement"]["agreed"]) == (1, 1)


def test_drawings_can_be_limited_to_one_model_version(sqlite_client: TestClient, folder: Path) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    arguments = ("replay", str(SHIPPED_MODEL), "--output", str(folder / "report"), "--model-version", "v0", "--json")
    assert json.loads(done(*arguments))["drawings"] == 0


def test_unusable_model_prints_one_line(sqlite_client: TestClient, folder: Path) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    (folder / "text.onnx").write_text("no model")
    for name in ("text.onnx", "missing.onnx"):
        line = refused(ExitCode.UNAVAILABLE, "replay", str(folder / name))
        assert name in line
        assert "MODEL_PATH" not in line
    refused(ExitCode.UNAVAILABLE, "replay", str(model_of_nothing(folder)), "--output", str(folder / "report"))


def test_folder_of_another_replay_is_refused_by_the_option_s_name(sqlite_client: TestClient, folder: Path) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    done("replay", str(SHIPPED_MODEL), "--output", str(folder / "report"))
    other = swapping_model(folder)
    assert refused(ExitCode.USAGE_ERROR, "replay", str(other), "--output", str(folder / "report")).startswith(
        "--output: "
    )


def test_answers_from_before_a_restore_are_not_used_for_other_drawings(
    sqlite_client: TestClient, sqlite_url: str, folder: Path
) -> None:
    arguments = ("replay", str(SHIPPED_MODEL), "--output", str(folder))
    first = sqlite_client.post("/classify", json=DRAWING).json()["id"]
    done(*arguments)
    # As after a restore of a backup that was made before the drawing.
    execute(
        sqlite_url,
        "DELETE FROM drawings",
        "DELETE FROM predictions",
        f"UPDATE sqlite_sequence SET seq = {first - 1} WHERE name = 'predictions'",
    )
    assert sqlite_client.post("/classify", json=DRAWING).json()["id"] == first
    for _ in range(2):
        message = refused(ExitCode.USAGE_ERROR, *arguments)
        assert message == "--output: its answers are for drawings from before a restore; choose another folder"


@pytest.mark.usefixtures("configured_sqlite")
def test_folder_that_cannot_be_written_or_is_empty_text_is_refused(folder: Path) -> None:
    (folder / "file").touch()
    message = refused(ExitCode.FAILURE, "replay", str(SHIPPED_MODEL), "--output", str(folder / "file" / "report"))
    assert message.startswith(f"cannot write {folder / 'file'}")
    message = refused(ExitCode.USAGE_ERROR, "replay", str(SHIPPED_MODEL), "--output", "")
    assert "'--output': must not be empty" in message
