"""Run commands in this process, in a new process or in a terminal."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from app.cli.main import main
from tests.support.project_copy import PROJECT, SECONDS, environment
from tests.support.run_cleanup import start_process


class Outcome(NamedTuple):
    """The exit code of a command, its standard output and its standard error."""

    status: int
    out: str
    err: str


def run(*arguments: str) -> Outcome:
    """Run a command in this process, with the settings of the test and without a terminal."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(arguments)
    return Outcome(status, out.getvalue(), err.getvalue())


def done(*arguments: str) -> str:
    """Run a command that must succeed; return its standard output."""
    outcome = run(*arguments)
    assert outcome.status == 0, outcome.err
    return outcome.out


def refused(status: int, *arguments: str) -> str:
    """Run a command that must fail with this exit code and a message of one line; return the message."""
    outcome = run(*arguments)
    assert (outcome.status, outcome.out) == (status, ""), outcome
    assert outcome.err.startswith("pixelwise: ")
    assert outcome.err.endswith("\n")
    assert outcome.err.count("\n") == 1
    return outcome.err.removeprefix("pixelwise: ").rstrip("\n")


def run_process(folder: Path, *arguments: str, **settings: str) -> Outcome:
    """Run a command in a new process, in a folder without .env."""
    ended = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=str(PROJECT), **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return Outcome(ended.returncode, ended.stdout, ended.stderr)


class Terminal:
    """A pseudo-terminal in which a command runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        # A character may be split between two reads.
        self._decoder = getincrementaldecoder("utf-8")()
        self.shown = ""

    def wait_for(self, text: str) -> str:
        """Wait until this text is shown; return everything since the last wait."""
        deadline = time.monotonic() + SECONDS
        while text not in self.shown:
            assert self._read(deadline), f"{text!r} was never shown:\n{self.shown}"
        before, found, self.shown = self.shown.partition(text)
        return before + found

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def interrupt(self) -> int:
        """Press Ctrl-C until the command has ended; return its exit code.

        Once is not always enough: the signal may arrive just before Python waits for a key.
        """
        deadline = time.monotonic() + SECONDS
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"it is still running:\n{self.shown}"
            self.press("\x03")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        return self.end()

    def end(self) -> int:
        """Wait until the command has ended; return its exit code."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        return self._process.wait(SECONDS)

    def _read(self, deadline: float) -> bool:
        readable, _, _ = select.select([self._descriptor], [], [], max(0, deadline - time.monotonic()))
        assert readable, f"nothing more was shown:\n{self.shown}"
        try:
            received = os.read(self._descriptor, 65536)
        except OSError:  # The command has closed its end.
            return False
        self.shown += self._decoder.decode(received).replace("\r\n", "\n")
        return bool(received)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Background jobs of a shell ignore Ctrl-C, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def in_terminal(folder: Path, *arguments: str, settings: Mapping[str, str], columns: int = 100) -> Iterator[Terminal]:
    """Run a command in a terminal, in a folder without .env; kill it at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = start_process(
        [sys.executable, "-m", "app", *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=str(PROJECT), TERM="xterm-256color", **settings),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        # Ctrl-C must reach this process only.
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(ours)
