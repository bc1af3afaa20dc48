"""What commands write in the folder of the project is no change to it."""

import shutil
from pathlib import Path

from tests.support.project_copy import PROJECT, need, run

WRITTEN = (
    *(".env", ".venv/pyvenv.cfg", "pixelwise.db", "pixelwise.db-wal", "backups/pixelwise-1.db"),
    *("corrected.npz", "corrected.npz.manifest.json", "everything.jsonl", "table.csv", "drawing.png", "sbom.cdx.json"),
    *("replay-v2-1a2b3c4d/report.md", ".pixelwise-restore.unfinished", ".new.12345678/part"),
)
PART_OF_THE_PROJECT = (".env.example", "docs/images/draw.png", "docs/examples/seven.json", "models/digits.onnx", "a.md")


def test_git_ignores_what_commands_write_and_nothing_else(tmp_path: Path) -> None:
    need("git", "git")
    shutil.copy(PROJECT / ".gitignore", tmp_path)
    run(tmp_path, "git", "init", "--quiet").check_returncode()
    ignored = run(tmp_path, "git", "check-ignore", "--no-index", *WRITTEN, *PART_OF_THE_PROJECT).stdout.split()
    assert ignored == list(WRITTEN)
