"""A forked program has what a started one has."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.programs import Fork, Program, start_program
from tests.support.project_copy import PROJECT, environment

SECONDS = 60

# What a process can see of itself.
REPORT = """
import json, os, signal, sys, threading
import app.main
from app.config import get_settings
streams = sys.stdin, sys.stdout, sys.stderr
print(json.dumps({
    "name": __name__,
    "arguments": sys.argv,
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "setting from .env": get_settings().rate_limit,
    "modules from": sys.path,
    "files": {name: os.path.realpath(f"/proc/self/fd/{name}") for name in ("0", "1", "2")},
    "open files": len(os.listdir("/proc/self/fd")),
    "streams": [(stream.encoding, stream.errors, stream.line_buffering) for stream in streams],
    "leads its session": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "signals": [repr(signal.getsignal(number)) for number in signal.valid_signals()],
    "mask": [*signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "threads": [thread.name for thread in threading.enumerate()],
    "flags": repr(sys.flags),
    "umask": os.umask(0),
}))
print("an error", file=sys.stderr)
sys.exit(5)
"""


def start(folder: Path, *command: str, files: tuple[int, int], fork: bool, **settings: str) -> Program:
    program = start_program(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment(PYTHONPATH=str(PROJECT), **settings),
        stdout=files[0],
        stderr=files[1],
        fork=fork,
    )
    assert isinstance(program, Fork) == (fork and sys.platform == "linux")
    return program


def report(folder: Path, *, fork: bool) -> dict[str, Any]:
    """What a program sees of itself."""
    out, err = folder / "out", folder / "err"
    with out.open("w") as output, err.open("w") as errors:
        files = output.fileno(), errors.fileno()
        program = start(folder, "report", "--option", "ä b", files=files, fork=fork, COLOUR="blue")
        assert psutil.Process(program.pid).ppid() == os.getpid()
        assert program.wait(SECONDS) == 5
    assert err.read_text() == "an error\n"
    seen: dict[str, Any] = json.loads(out.read_text())
    return seen


def test_forked_program_has_what_a_started_one_has(tmp_path: Path) -> None:
    (tmp_path / "report.py").write_text(REPORT)
    (tmp_path / ".env").write_text("RATE_LIMIT=7/minute\n")
    forked, started = report(tmp_path, fork=True), report(tmp_path, fork=False)
    assert forked["setting from .env"] == "7/minute"
    assert {name: (forked[name], started[name]) for name in started if forked[name] != started[name]} == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("fork", [True, False])
def test_program_ends_by_a_signal(tmp_path: Path, fork: bool, number: signal.Signals) -> None:
    (tmp_path / "sleep.py").write_text("import time\nprint('sleeps', flush=True)\ntime.sleep(600)\n")
    reading, writing = os.pipe()
    with os.fdopen(reading) as output:
        program = start(tmp_path, "sleep", files=(writing, writing), fork=fork)
        os.close(writing)
        assert output.readline() == "sleeps\n"
        assert program.poll() is None
        program.send_signal(number)
        assert program.wait(SECONDS) == -number
        # Nobody else holds the pipe.
        assert output.read() == ""
