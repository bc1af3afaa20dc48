"""`python -m app classify`."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.cli.exit_codes import ExitCode
from app.schemas.classify import SEVEN
from tests.support.command_line import done, refused
from tests.support.service import rows, stored


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """A picture of a seven: dark on light, 280 x 280 pixels, in its own folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    drawing = Image.fromarray(255 - np.array(SEVEN, np.uint8))
    drawing.resize((280, 280)).save(folder / "seven.png")
    return folder / "seven.png"


def test_each_picture_is_classified_and_stored(client: TestClient, database_url: str, seven: Path) -> None:
    other = seven.with_name("again.bmp")
    with Image.open(seven) as picture:
        picture.save(other)
    lines = [json.loads(line) for line in done("classify", str(seven), str(other), "--json").splitlines()]
    assert [(line.pop("file"), line["prediction"]) for line in lines] == [(str(seven), "7"), (str(other), "7")]
    assert stored(database_url) == (2, 2)
    for line in lines:
        record = client.get(f"/results/{line['id']}").json()
        assert {name: record[name] for name in line} == line
    assert [row["client"] for row in rows(database_url, "SELECT client FROM predictions")] == ["command line"] * 2


def test_dry_run_needs_no_database(settings_environment: pytest.MonkeyPatch, tmp_path: Path, seven: Path) -> None:
    settings_environment.setenv("DATABASE_URL", "sqlite:///missing.db")
    (line,) = done("classify", str(seven), "--dry-run", "--json").splitlines()
    answer = json.loads(line)
    assert (answer["prediction"], answer["id"], answer["created_at"]) == ("7", None, None)
    assert not (tmp_path / "missing.db").exists()


def test_nothing_is_stored_if_one_file_is_not_a_picture(configured_sqlite: str, seven: Path) -> None:
    text = seven.with_name("text.png")
    text.write_text("no picture")
    assert str(text) in refused(ExitCode.FAILURE, "classify", str(seven), str(text))
    assert "No such file" in refused(ExitCode.FAILURE, "classify", str(seven), str(seven.with_name("missing.png")))
    assert stored(configured_sqlite) == (0, 0)


@pytest.mark.usefixtures("configured_sqlite")
def test_table_has_the_whole_file_name(seven: Path) -> None:
    long = seven.with_name(f"{'scan ' * 40}.png")
    seven.rename(long)
    header, line = done("classify", str(long)).splitlines()
    assert header.split() == ["file", "prediction", "confidence", "not", "a", "digit", "id"]
    assert line.startswith(f"{long}  7 ")
    assert line.split()[-1] == "1"


@pytest.mark.usefixtures("configured_sqlite")
def test_file_name_that_is_not_utf8_is_escaped(seven: Path) -> None:
    odd = os.fsdecode(os.fsencode(seven.parent) + b"/\xff\x1b[2J.png")
    seven.rename(odd)
    assert "\\udcff\\x1b[2J.png" in done("classify", odd)
    assert json.loads(done("classify", odd, "--json"))["file"].endswith("/\\udcff\x1b[2J.png")


@pytest.mark.usefixtures("fresh_classifier")
def test_missing_model_prints_one_line(settings_environment: pytest.MonkeyPatch, seven: Path) -> None:
    settings_environment.setenv("MODEL_PATH", "/nowhere/model.onnx")
    assert "/nowhere/model.onnx" in refused(ExitCode.UNAVAILABLE, "classify", str(seven), "--dry-run")
