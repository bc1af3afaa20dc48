"""`python -m training`: what it refuses before it begins, and where it writes."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The training has an environment of its own.
pytest.importorskip("torch")
pytest.importorskip("skimage")

from training import export as exporting
from training.__main__ import main, places
from training.calibrate import Calibration
from training.export import export
from training.network import DigitNetwork

Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """A function that runs the command, which must refuse these options; it returns the last line of the error."""

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["training", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        # Text in place of a status is printed when Python ends.
        return str(ended.value.code) if ended.value.code != 2 else capsys.readouterr().err.splitlines()[-1]

    return run


@pytest.mark.parametrize("option", ["--output", "--checkpoint", "--teacher"])
def test_missing_folder_is_refused_before_the_training(refused: Refused, option: str, tmp_path: Path) -> None:
    assert f"there is no folder {tmp_path}/missing" in refused(option, str(tmp_path / "missing/file.onnx"))


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--epochs", "0", "must be at least 1, not 0"),
        ("--epochs", "two", "invalid number value"),
        ("--tries", "0", "must be at least 1, not 0"),
        ("--seed", "-1", "must be at least 0, not -1"),
        ("--device", "gpu", "must be cpu or cuda, not gpu"),
        ("--output", "models/mine", "must end with .onnx"),
    ],
)
def test_option_that_cannot_work_is_refused_before_the_training(
    refused: Refused, option: str, value: str, reason: str
) -> None:
    assert reason in refused(option, value)


@pytest.mark.parametrize("content", [b"", b"no teacher"])
def test_file_that_is_no_teacher_is_refused_before_the_training(
    refused: Refused, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "teacher.pt"
    path.write_bytes(content)
    assert refused("--teacher", str(path)) == f"training: {path} is not a teacher"


# PyTorch prefers its other exporter.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_model_is_replaced_only_by_a_complete_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "digits.onnx"
    path.write_bytes(b"the old one")

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting.onnx.checker, "check_model", fail)
    with pytest.raises(KeyboardInterrupt):
        export(DigitNetwork(), Calibration(1.0, 0.0), "v9", path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"the old one"]


def test_only_the_shipped_model_is_described_by_the_model_card() -> None:
    assert places(Path("models/digits.onnx")) == (Path("models/MODELCARD.md"), Path("docs/images"))
    assert places(Path("mine/digits.onnx")) == (Path("mine/digits.md"), Path("mine/digits"))
    assert places(Path("models/second.onnx")) == (Path("models/second.md"), Path("models/second"))
