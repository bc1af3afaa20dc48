"""`python -m training`: what it refuses before it begins, and where it writes."""

import sys
from pathlib import Path

import pytest

# The training has an environment of its own.
pytest.importorskip("torch")
pytest.importorskip("skimage")

from training.__main__ import main, places


@pytest.mark.parametrize("option", ["--output", "--checkpoint"])
def test_missing_folder_is_refused_before_the_training(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["training", option, str(tmp_path / "missing/file")])
    with pytest.raises(SystemExit):
        main()
    assert f"there is no folder {tmp_path}/missing" in capsys.readouterr().err


def test_only_the_shipped_model_is_described_by_the_model_card() -> None:
    assert places(Path("models/digits.onnx")) == (Path("models/MODELCARD.md"), Path("docs/images"))
    assert places(Path("mine/digits.onnx")) == (Path("mine/digits.md"), Path("mine/digits"))
    assert places(Path("models/second.onnx")) == (Path("models/second.md"), Path("models/second"))
