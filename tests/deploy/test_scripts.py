"""scripts/serve, scripts/install and scripts/configure in a fresh clone."""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.project_copy import SECONDS, clone_into, environment, need, run
from tests.support.run_cleanup import start_process


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone in a folder whose name contains a space."""
    return clone_into(tmp_path / "pixel wise")


def paste(command: str, folder: Path) -> str:
    """Run a printed command in another folder, and return its output."""
    need("curl", "curl")
    return run(folder, "bash", "-c", command).stdout


@contextmanager
def served(project: Path, output: int, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run scripts/serve in its own process group, writing to a file descriptor; end it with SIGTERM."""
    process = start_process(
        [project / "scripts/serve"],
        cwd=project.parent,
        env=environment(PORT=str(port)),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def read_until_curl(descriptor: int) -> str:
    """Return the output of scripts/serve up to the complete line with the curl command."""
    text = ""
    deadline = time.monotonic() + SECONDS
    while not re.search(r"^curl .*\n", text, re.MULTILINE):
        readable, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        assert readable, f"no curl command was printed:\n{text}"
        received = os.read(descriptor, 65536).decode()
        assert received, f"serve ended before it printed a curl command:\n{text}"
        text += received.replace("\r\n", "\n")
    return text


def curl_line(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("curl "))


def key_of(project: Path) -> str:
    found = re.search(r"^SECRET_API_KEY=(.*)$", (project / ".env").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_serve_starts_in_a_fresh_clone_and_its_curl_command_works(project: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    port = free_port()
    with served(project, theirs, port):
        first = read_until_curl(ours)
        answer = json.loads(paste(curl_line(first), tmp_path))
    os.close(ours)
    os.close(theirs)

    assert answer["prediction"] == "7"
    assert key_of(project) in curl_line(first)
    assert f"http://127.0.0.1:{port}/#key={key_of(project)}" in first.splitlines()
    assert re.fullmatch("[0-9a-f]{64}", key_of(project))
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    with closing(sqlite3.connect(project / "pixelwise.db")) as database:
        assert database.execute("SELECT id, prediction FROM predictions").fetchall() == [(answer["id"], "7")]


def test_second_start_keeps_data_and_key_is_not_logged(project: Path, tmp_path: Path) -> None:
    texts, ids = [], []
    for _ in range(2):
        ours, theirs = os.pipe()
        with served(project, theirs, free_port()):
            text = read_until_curl(ours)
            ids.append(json.loads(paste(curl_line(text), tmp_path))["id"])
        os.close(theirs)
        texts.append(text + os.read(ours, 65536).decode())
        os.close(ours)

    assert ids == [1, 2]
    assert "Wrote .env" in texts[0]
    assert "Wrote .env" not in texts[1]
    assert "Installing" not in texts[1]
    assert key_of(project) not in "".join(texts)


def test_serve_reports_a_used_port_and_creates_no_database(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = run(project, "scripts/serve", PORT=port)
    assert refused.returncode != 0
    expected = f"pixelwise: cannot listen on 127.0.0.1:{port} .*PORT=8001 scripts/serve\n"
    assert re.fullmatch(expected, refused.stderr)
    assert not list(project.glob("pixelwise.db*"))


def test_serve_reports_the_example_key_in_one_line(project: Path) -> None:
    shutil.copy(project / ".env.example", project / ".env")
    refused = run(project, "scripts/serve", PORT=str(free_port()))
    assert refused.returncode != 0
    assert refused.stderr.count("pixelwise: SECRET_API_KEY is still the example") == 1
    assert "Traceback" not in refused.stderr
    assert "curl" not in refused.stdout


def test_install_retries_after_a_failure_and_runs_once_per_requirements(project: Path, tmp_path: Path) -> None:
    venv = str(tmp_path / "fresh")
    (project / "requirements.txt").write_text("./not-there-yet\n")
    failed = run(project, "scripts/install", PIXELWISE_VENV=venv)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("pixelwise: the installation failed")

    (project / "requirements.txt").write_text("# Nothing is needed.\n")
    repeated = run(project, "scripts/install", PIXELWISE_VENV=venv)
    assert repeated.returncode == 0, repeated.stderr
    assert repeated.stdout.startswith("Installing requirements.txt")

    assert run(project, "scripts/install", PIXELWISE_VENV=venv).stdout == ""

    (project / "requirements.txt").write_text("# Nothing is needed still.\n")
    changed = run(project, "scripts/install", PIXELWISE_VENV=venv)
    assert changed.stdout.startswith("Installing requirements.txt")


def test_install_recreates_a_virtual_environment_without_python(project: Path, tmp_path: Path) -> None:
    (project / "requirements.txt").write_text("# Nothing is needed.\n")
    venv = tmp_path / "moved"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text("home = /nowhere\n")
    (venv / "bin/python").symlink_to("/nowhere/python3")
    (venv / "installed-requirements.txt").write_text("# Nothing is needed.\n")
    made = run(project, "scripts/install", PIXELWISE_VENV=str(venv))
    assert made.returncode == 0, made.stderr
    assert subprocess.run([venv / "bin/python", "-c", "import pip"], timeout=30).returncode == 0


def test_install_never_clears_other_folders(project: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("photographs")
    refused = run(project, "scripts/install", PIXELWISE_VENV=str(tmp_path))
    assert refused.returncode == 1
    assert "is not a virtual environment" in refused.stderr
    assert (tmp_path / "holiday.txt").exists()


def only_these_programs(folder: Path, *names: str) -> str:
    """Make a folder with links to these programs only, for PATH."""
    folder.mkdir()
    for name in names:
        program = shutil.which(name)
        assert program
        (folder / name).symlink_to(program)
    return str(folder)


def test_install_without_python_names_the_required_version(project: Path, tmp_path: Path) -> None:
    path = only_these_programs(tmp_path / "bin", "bash", "cat", "dirname")
    fresh = str(tmp_path / "fresh")
    refused = run(project, f"{path}/bash", "scripts/install", PATH=path, PIXELWISE_VENV=fresh)
    assert refused.returncode == 1
    assert refused.stderr.startswith("pixelwise: Python 3.11 or newer was not found")


def test_install_without_ensurepip_names_the_missing_package(project: Path, tmp_path: Path) -> None:
    path = only_these_programs(tmp_path / "bin", "bash", "cat", "dirname")
    # Like Debian's python3 without python3-venv, which lacks ensurepip.
    python = Path(path) / "python3"
    python.write_text(f'#!/bin/bash\ncase $* in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    fresh = str(tmp_path / "fresh")
    refused = run(project, f"{path}/bash", "scripts/install", PATH=path, PIXELWISE_VENV=fresh)
    assert refused.returncode == 1
    assert "apt install python3-venv" in refused.stderr
    assert not (tmp_path / "fresh").exists()


def test_configure_writes_a_private_env_file_once(project: Path) -> None:
    run(project, "bash", "-c", "umask 000; scripts/configure sqlite:////srv/other.db").check_returncode()
    written = (project / ".env").read_text()
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert "DATABASE_URL=sqlite:////srv/other.db" in written.splitlines()
    settings = [line.partition("=")[0] for line in (project / ".env.example").read_text().splitlines()]
    assert [line.partition("=")[0] for line in written.splitlines()] == settings

    again = run(project, "scripts/configure")
    assert (again.returncode, again.stdout) == (0, "")
    assert (project / ".env").read_text() == written
    assert not list(project.glob(".env.????????"))
