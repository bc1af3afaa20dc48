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
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import psutil

from app.cli.main import main
from tests.support.programs import Program, start_program
from tests.support.project_copy import PROJECT, SECONDS, environment


class Outcome(NamedTuple):
    """The exit code of a command, its standard output and its standard error."""

    status: int
    out: str
    err: str


def run(*arguments: str) -> Outcome:
    """Run a command in this process, with the settings of the test and without a terminal."""
    out, err = BytesIO(), StringIO()
    # As in a process, JSON is written to the stream's buffer.
    with TextIOWrapper(out, "utf-8", write_through=True) as text, redirect_stdout(text), redirect_stderr(err):
        status = main(arguments)
        return Outcome(status, out.getvalue().decode(), err.getvalue())


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


def run_process(folder: Path, *arguments: str, fork: bool = True, **settings: str) -> Outcome:
    """Run a command in a process of its own, in a folder without .env."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        process = start_program(
            [sys.executable, "-m", "app", *arguments],
            cwd=folder,
            env=environment(PYTHONPATH=str(PROJECT), **settings),
            stdout=out.fileno(),
            stderr=err.fileno(),
            fork=fork,
        )
        try:
            status = process.wait(SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        err.seek(0)
        return Outcome(status, out.read(), err.read())


class Terminal:
    """A pseudo-terminal in which a command runs."""

    def __init__(self, process: Program, descriptor: int) -> None:
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
            with suppress(subprocess.TimeoutExpired, psutil.TimeoutExpired):
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


@contextmanager
def in_terminal(
    folder: Path,
    *arguments: str,
    settings: Mapping[str, str],
    module: str = "app",
    columns: int = 100,
    fork: bool = True,
) -> Iterator[Terminal]:
    """Run a command, or another program, in a terminal, in a folder without .env; kill it at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = start_program(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=str(PROJECT), TERM="xterm-256color", **settings),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        fork=fork,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(ours)
