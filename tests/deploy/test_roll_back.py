"""docs/operations.md: back to the version before an upgrade, in a real clone."""

import re
import shlex
from pathlib import Path

from tests.support.documentation import blocks_of
from tests.support.project_copy import PROJECT, need, run

BLOCKS = [block.code for block in blocks_of(PROJECT / "docs/operations.md")]
(UPGRADE,) = (re.findall(r"^git pull\b", code)[0] for code in BLOCKS if code.startswith("git pull"))
(BACK,) = (re.findall(r"^git [^#\n]+", code)[0] for code in BLOCKS if code.startswith("git reset"))


def git(folder: Path, *arguments: str) -> str:
    done = run(folder, "git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments)
    done.check_returncode()
    return done.stdout.strip()


def test_version_before_comes_back_and_can_be_upgraded_again(tmp_path: Path) -> None:
    need("git", "git")
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    git(origin, "init", "--quiet", "--initial-branch=main")
    git(origin, "commit", "--quiet", "--allow-empty", "--message=the version before")
    git(tmp_path, "clone", "--quiet", "origin", "clone")
    before = git(clone, "rev-parse", "HEAD")
    for _ in range(2):
        git(origin, "commit", "--quiet", "--allow-empty", "--message=a part of the next version")
    after = git(origin, "rev-parse", "HEAD")

    git(clone, *UPGRADE.split()[1:])
    # Nothing new, as when an upgrade is tried again.
    git(clone, *UPGRADE.split()[1:])
    assert git(clone, "rev-parse", "HEAD") == after
    git(clone, *shlex.split(BACK)[1:])
    assert git(clone, "rev-parse", "HEAD") == before
    git(clone, *UPGRADE.split()[1:])
    assert git(clone, "rev-parse", "HEAD") == after
