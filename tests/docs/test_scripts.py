"""The scripts in `docs/examples` end."""

import subprocess
import sys
from pathlib import Path

from tests.support.project_copy import PROJECT, environment
from tests.support.service import KEY
from tests.support.service_process import serving
from tests.support.stored_rows import random_rows, store


def test_labelling_ends_when_nothing_is_left_to_review(sqlite_url: str, tmp_path: Path) -> None:
    store(sqlite_url, random_rows(12), drawings=True)
    (tmp_path / "truth.txt").write_text("7\n" * 12)
    with serving(sqlite_url, tmp_path) as service:
        ended = subprocess.run(
            [sys.executable, PROJECT / "docs/examples/label_from_truth.py", f"http://127.0.0.1:{service.port}"],
            cwd=tmp_path,
            env=environment(SECRET_API_KEY=KEY),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 0, ended.stderr
    assert " labelled, " in ended.stdout
