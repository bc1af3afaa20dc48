"""`python -m training`: what it refuses before it begins, and where it writes."""

import sys
from pathlib import Path

import pytest

# The training has an environment of its own.
pytest.importorskip("torch")
pytest.importorskip("skimage")

from training.__main__ import main


@pytest.mark.parametrize("option", ["--output", "--checkpoint"])
def test_missing_folder_is_refused_before_the_training(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["training", option, str(tmp_path / "missing/file")])
    with pytest.raises(SystemExit):
        main()
    assert f"there is no folder {tmp_path}/missing" in capsys.readouterr().err
