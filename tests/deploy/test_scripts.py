"""scripts/serve and scripts/configure in a fresh clone, and the arguments of every script."""

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
from tests.support.raw_http import assert_limited
from tests.support.run_cleanup import start_process


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone in a folder whose name contains a space."""
    return clone_into(tmp_path / "pixel wise")


def paste(command: str, folder: Path, **extra: str) -> str:
    """Run a printed command in another folder, and return its output."""
    need("curl", "curl")
    return run(folder, "bash", "-c", command, **extra).stdout


@contextmanager
def served(project: Path, output: int, *arguments: str, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run scripts/serve in its own process group, writing to a file descriptor; end it with SIGTERM."""
    process = start_process(
        [project / "scripts/serve", *arguments],
        cwd=project.parent,
        env=environment(**extra),
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
    while not re.search(r" \| curl .*\n", text):
        readable, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        assert readable, f"no curl command was printed:\n{text}"
        received = os.read(descriptor, 65536).decode()
        assert received, f"serve ended before it printed a curl command:\n{text}"
        text += received.replace("\r\n", "\n")
    return text


def curl_line(text: str) -> str:
    return next(line for line in text.splitlines() if " | curl " in line)


def key_of(project: Path) -> str:
    found = re.search(r"^SECRET_API_KEY=(.*)$", (project / ".env").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_serve_starts_in_a_fresh_clone_and_its_curl_command_works(project: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    port = free_port()
    with served(project, theirs, PORT=str(port)):
        first = read_until_curl(ours)
        answer = json.loads(paste(curl_line(first), tmp_path))
        assert_limited(port)
    os.close(ours)
    os.close(theirs)

    assert answer["prediction"] == "7"
    assert key_of(project) not in curl_line(first)
    assert f"http://127.0.0.1:{port}/#key={key_of(project)}" in first.splitlines()
    assert re.fullmatch("[0-9a-f]{64}", key_of(project))
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    with closing(sqlite3.connect(project / "pixelwise.db")) as database:
        assert database.execute("SELECT id, prediction FROM predictions").fetchall() == [(answer["id"], "7")]


def test_second_start_keeps_data_and_key_is_not_logged(project: Path, tmp_path: Path) -> None:
    texts, ids = [], []
    # The second time, the key comes from the environment.
    for given in ("", "a-key-from-the-environment"):
        ours, theirs = os.pipe()
        with served(project, theirs, "--port", str(free_port()), SECRET_API_KEY=given):
            text = read_until_curl(ours)
            ids.append(json.loads(paste(curl_line(text), tmp_path, SECRET_API_KEY=given))["id"])
        os.close(theirs)
        texts.append(text + os.read(ours, 65536).decode())
        os.close(ours)

    assert ids == [1, 2]
    assert "Wrote .env" in texts[0]
    assert "Wrote .env" not in texts[1]
    assert "Installing" not in texts[1]
    assert key_of(project) not in "".join(texts)
    assert "a-key-from-the-environment" not in "".join(texts)


def test_serve_listens_on_ipv6_and_never_uses_a_proxy(project: Path, tmp_path: Path) -> None:
    port = free_port()
    ours, theirs = os.pipe()
    proxy = dict.fromkeys(("http_proxy", "all_proxy"), "http://127.0.0.1:1")
    with served(project, theirs, f"--port={port}", HOST="::1", **proxy):
        text = read_until_curl(ours)
        assert f"http://[::1]:{port}/" in text.splitlines()
        assert json.loads(paste(curl_line(text), tmp_path, **proxy))["prediction"] == "7"
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize(
    ("arguments", "extra", "expected"),
    [
        (["bogus"], {}, "unknown argument; see scripts/serve --help"),
        (["--prot", "8001"], {}, "unknown argument; see scripts/serve --help"),
        (["--port"], {}, "--port needs a value; see scripts/serve --help"),
        ([], {"PORT": "abc"}, "PORT must be a number from 1 to 65535"),
        ([], {"PORT": "8_000"}, "PORT must be a number from 1 to 65535"),
        (["--port", "65536"], {}, "PORT must be a number from 1 to 65535"),
        ([], {"HOST": "x86_64-conda-linux-gnu"}, "HOST is not an address of this machine"),
        (["--host="], {}, "HOST is not an address of this machine"),
        (["--host=192.0.2.1"], {}, "HOST is not an address of this machine"),
    ],
)
def test_serve_refuses_wrong_arguments_in_one_line(
    project: Path, arguments: list[str], extra: dict[str, str], expected: str
) -> None:
    refused = run(project, "scripts/serve", *arguments, **extra)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"pixelwise: {expected}")
    assert refused.stderr.count("\n") == 1
    assert not list(project.glob("pixelwise.db*"))


@pytest.mark.parametrize(
    "script",
    ["scripts/certificate", "scripts/configure", "scripts/nginx", "scripts/copy-code", "setup-server.sh", "init_db.py"],
)
def test_every_script_has_help_and_refuses_unknown_arguments_in_one_line(project: Path, script: str) -> None:
    command = [sys.executable, script] if script.endswith(".py") else [f"./{script}"]
    before = sorted(project.iterdir())
    for option in ("-h", "--help"):
        helped = run(project, *command, option)
        assert (helped.returncode, helped.stderr) == (0, "")
        assert Path(script).name in helped.stdout
    refused = run(project, *command, "--bogus")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(r"pixelwise: .*--help\n", refused.stderr)
    assert sorted(project.iterdir()) == before


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


def test_configure_needs_no_virtual_environment_but_a_python(project: Path) -> None:
    # As before the image is built: nothing is installed into the clone.
    run(project, "scripts/configure", PIXELWISE_VENV=str(project / ".venv")).check_returncode()
    assert re.fullmatch("[0-9a-f]{64}", key_of(project))

    (project / ".env").unlink()
    programs = project / "programs"
    programs.mkdir()
    for name in ("bash", "dirname", "env", "mktemp", "rm"):
        (programs / name).symlink_to(shutil.which(name) or "")
    refused = run(project, "scripts/configure", PIXELWISE_VENV=str(project / ".venv"), PATH=str(programs))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "pixelwise: Python is missing; install it (Debian, Ubuntu: apt install python3)\n"
    assert not list(project.glob(".env.????????"))
    assert not (project / ".env").exists()
