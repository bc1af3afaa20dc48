"""A copy of the project, as a fresh clone holds it, and ways to run its commands there."""

import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# What a clone does not hold, and what no command of the service needs.
LEFT_OUT = (".*", "__pycache__", "*.db", "*.db-*", "tests", "training")
SECONDS = 180


def clone_into(folder: Path) -> Path:
    """Copy the project into a new folder of this name; return it."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copy(PROJECT / ".env.example", folder)
    return folder


def environment(**extra: str) -> dict[str, str]:
    """What a login shell has, and the virtual environment of this test run, so that nothing is downloaded."""
    assert sys.prefix != sys.base_prefix, "run the tests by scripts/test, which makes a virtual environment"
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PIXELWISE_VENV": sys.prefix, **extra}


def run(folder: Path, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with more variables in its environment if need be; wait for its end."""
    return subprocess.run(
        command, cwd=folder, env=environment(**extra), capture_output=True, text=True, timeout=SECONDS
    )


def cannot_run(reason: str) -> NoReturn:
    """Skip the test with this word; where CI is set everything must be there, so the test fails."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def need(program: str, package: str) -> None:
    """Skip the test unless this program, of this Debian package, is installed."""
    if shutil.which(program) is None:
        cannot_run(f"{program} is missing; to run this test: apt install {package}")


def settings_of(unit: Path) -> list[tuple[str, str]]:
    """The NAME=value lines of a systemd unit."""
    return re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE)


def state_of(folder: Path) -> dict[str, object]:
    """Every file below the folder: when it was written, its mode, its checksum; the database as SQL."""
    with closing(sqlite3.connect(folder / "pixelwise.db")) as database:
        content = {"pixelwise.db": list(database.iterdump())}
    return content | {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.stat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "pixelwise.db" not in path.name
    }


def changed(before: dict[str, object], after: dict[str, object]) -> set[str]:
    """The files that came, went, or are no longer what they were."""
    return {name for name in before | after if before.get(name) != after.get(name)}
