"""A user without rights on the database gets one line that says who has them."""

import codecs
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.config import get_settings
from tests.support.command_line import refused, run
from tests.support.old_databases import refusal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

REMEDY = "run it as the user that owns the file and its folder, such as: sudo -u produser"


@contextmanager
def another_user() -> Iterator[None]:
    # Python remembers for good that it found no codec, and Python may lie where only root looks.
    codecs.lookup("ascii")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        importlib.invalidate_caches()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.parametrize("rights", ["read only", "no rights", "no entry", "missing"])
def test_commands_say_whose_rights_they_need(
    settings_environment: pytest.MonkeyPatch, migrated_sqlite_file: Path, folder: Path, rights: str
) -> None:
    file = folder / "pixelwise.db"
    if rights != "missing":
        shutil.copy(migrated_sqlite_file, file)
        file.chmod(0o644 if rights == "read only" else 0o600)
    if rights == "no entry":
        folder.chmod(0o700)
    settings_environment.setenv("DATABASE_URL", f"sqlite:///{file}")
    settings_environment.chdir("/")
    get_settings.cache_clear()
    command = ("upgrade", "head") if rights == "missing" else ("downgrade", "-1")
    with another_user():
        problems = [refused(3, "label", "1", "7"), run("check").out, refusal(f"sqlite:///{file}", *command)]
    if rights == "missing":
        assert "there is no database" in problems[0]
        problems = problems[2:]
    assert [problem for problem in problems if REMEDY not in problem] == []
    assert [path.name for path in folder.iterdir()] == ([] if rights == "missing" else ["pixelwise.db"])
