"""The revisions in `alembic/versions` are one chain, or refused."""

import shutil
from pathlib import Path

import pytest

from app.config import PROJECT_FOLDER
from app.database.revision_files import revision_files_problem
from app.database.schema_version import schema_revision
from tests.support.old_databases import copy_of_project, run

VERSIONS = PROJECT_FOLDER / "alembic" / "versions"
THIS = schema_revision()
THIS_FILE = next(VERSIONS.glob(f"{THIS}_*.py")).name
NEXT, LAST = (f"{int(THIS) + more:04}" for more in (1, 2))


def add_revision(folder: Path, name: str, revision: str, down_revision: str) -> None:
    text = f'revision: str = "{revision}"\ndown_revision: str | None = "{down_revision}"\n'
    (folder / name).write_text(f"{text}def upgrade() -> None: ...\ndef downgrade() -> None: ...\n")


def test_revisions_of_this_release_are_one_chain() -> None:
    numbers = [path.name[:4] for path in sorted(VERSIONS.glob("*.py"))]
    assert numbers == [f"{number:04}" for number in range(1, int(THIS) + 1)]
    assert revision_files_problem() is None


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({f"{NEXT}_mood.py": (NEXT, THIS), f"{NEXT}_shape.py": (NEXT, THIS)}, (f"{NEXT}_mood.py", f"{NEXT}_shape.py")),
        ({f"{NEXT}_mood.py": (NEXT, THIS), f"{LAST}_shape.py": (LAST, THIS)}, (f"{NEXT}_mood.py", f"{LAST}_shape.py")),
        ({f"{NEXT}_mood.py": (THIS, "0004")}, (f"{NEXT}_mood.py", f"{THIS}_")),
        ({f"{LAST}_mood.py": (LAST, NEXT)}, (f"{LAST}_mood.py", THIS_FILE)),
        ({"mood.py": (NEXT, THIS)}, ("mood.py", f"{NEXT}_")),
        ({f"{NEXT}_mood.py": (NEXT, THIS), f"{NEXT}_mood copy.py": (NEXT, THIS)}, (f"{NEXT}_mood copy.py",)),
    ],
    ids=["one number", "one predecessor", "number in the file", "gap", "name", "copy"],
)
def test_revisions_that_do_not_follow_each_other_are_named(
    tmp_path: Path, files: dict[str, tuple[str, str]], named: tuple[str, ...]
) -> None:
    folder = Path(shutil.copytree(VERSIONS, tmp_path / "versions", ignore=shutil.ignore_patterns("__pycache__")))
    for name, (revision, down_revision) in files.items():
        add_revision(folder, name, revision, down_revision)
    problem = revision_files_problem(folder)
    assert problem is not None
    assert [name for name in named if name not in problem] == []
    assert "\n" not in problem


@pytest.mark.slow
def test_two_branches_with_one_number_are_refused_by_upgrade_check_and_start(sqlite_url: str, tmp_path: Path) -> None:
    project = copy_of_project(tmp_path)
    for name in ("mood", "shape"):
        add_revision(project / "alembic" / "versions", f"{NEXT}_{name}.py", NEXT, THIS)
    start = "from app.main import app; from app.startup import start_problem; print(start_problem())"
    command = f"SECRET_API_KEY={'a' * 32} python -c '{start}'"
    for line in ("alembic upgrade heads", "python -m app check", command):
        done = run(sqlite_url, line, project)
        assert f"{NEXT}_shape.py does not follow {NEXT}_mood.py" in done.stdout + done.stderr, line
