"""`python -m app` with pipes, locales and closed streams."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.exit_codes import ExitCode
from tests.support.command_line import run_process
from tests.support.project_copy import PROJECT, environment
from tests.support.service import execute, rows
from tests.support.stored_rows import random_rows, store

pytestmark = pytest.mark.slow

SEVEN = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'v1')"


def test_closed_pipe_prints_no_traceback(sqlite_url: str, tmp_path: Path) -> None:
    store(sqlite_url, random_rows(2500))
    command = f"set -o pipefail; {sys.executable} -m app results --all | head -n 1"
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(PROJECT), DATABASE_URL=sqlite_url),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout.count("\n"), ended.stderr) == (1, "")
    assert ended.returncode == ExitCode.FAILURE


def test_characters_outside_the_encoding_are_escaped(sqlite_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": sqlite_url, "PYTHONIOENCODING": "ascii"}
    execute(
        sqlite_url,
        "INSERT INTO predictions (prediction, confidence, model_version, notes) VALUES ('7', 0.9, 'v1', 'über')",
    )
    outcome = run_process(tmp_path, "results", **settings)
    assert (outcome.status, outcome.err) == (0, "")
    assert "\\xfcber" in outcome.out


def test_json_is_utf8_in_every_locale(sqlite_url: str, tmp_path: Path) -> None:
    execute(sqlite_url, SEVEN, "UPDATE predictions SET notes = 'über 😀'")
    outcome = run_process(tmp_path, "results", "--json", DATABASE_URL=sqlite_url, PYTHONIOENCODING="iso-8859-1")
    assert json.loads(outcome.out)["results"][0]["notes"] == "über 😀"


def run_in_shell(command: str, folder: Path, database_url: str) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of a command with redirections."""
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m app {command}"],
        cwd=folder,
        env=environment(PYTHONPATH=str(PROJECT), DATABASE_URL=database_url),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("delete 1 <&-", "there is no terminal to ask for confirmation; add --yes"),
        ("delete 1 >&-", "there is no terminal to ask for confirmation; add --yes"),
        ("results >&-", "Bad file descriptor"),
        ("keys create phone --scope read >&-", "Bad file descriptor; nothing was changed"),
        ("keys create phone --scope read --json >&-", "Bad file descriptor; nothing was changed"),
    ],
)
def test_closed_stream_is_an_error_of_one_line(sqlite_url: str, tmp_path: Path, command: str, reason: str) -> None:
    execute(sqlite_url, SEVEN)
    ended = run_in_shell(command, tmp_path, sqlite_url)
    assert ended == (ExitCode.FAILURE, "", f"pixelwise: {reason}\n")
    assert rows(sqlite_url, "SELECT name FROM api_keys") == []


def test_messages_are_lost_with_a_closed_standard_error(sqlite_url: str, tmp_path: Path) -> None:
    execute(sqlite_url, SEVEN)
    assert run_in_shell("delete 1 --yes 2>&- <&-", tmp_path, sqlite_url) == (ExitCode.SUCCESS, "", "")
    assert rows(sqlite_url, "SELECT id FROM predictions") == []
