"""Start the service and its commands as forks of a process that has imported them, which saves a second each."""

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.fork_server import IS_ORPHAN, MESSAGE_BYTES, Request
from tests.support.project_copy import PROJECT, environment
from tests.support.run_cleanup import start_process, watch_process

PR_SET_CHILD_SUBREAPER = 36


class Fork(psutil.Process):
    """A forked process, which is a child of this one."""

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        with suppress(psutil.TimeoutExpired):
            return self.wait(0)
        return None


Program = subprocess.Popen[bytes] | Fork


class ForkServer:
    """The process that forks; started when first used."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, request: Request, files: Sequence[int]) -> Fork:
        """Fork a process with these files as standard input, output and error."""
        if self._process is None:
            self._start()
        with _adopting_orphans():
            socket.send_fds(self._socket, [json.dumps(request).encode()], files)
            pid = int(self._socket.recv(MESSAGE_BYTES))
            assert self._socket.recv(MESSAGE_BYTES) == IS_ORPHAN
        watch_process(pid)
        return Fork(pid)

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server"],
                cwd=PROJECT,
                env=environment(PYTHONPATH=str(PROJECT)),
                stdin=theirs.fileno(),
                # Ctrl-C in a terminal ends the tests only.
                start_new_session=True,
            )

    def close(self) -> None:
        if self._process is not None:
            self._socket.close()
            self._process.wait()


_server: ForkServer | None = None


@contextmanager
def forking() -> Iterator[None]:
    """Let `start_program` fork, until the end of the block."""
    global _server
    _server = ForkServer()
    try:
        yield
    finally:
        _server.close()
        _server = None


def start_program(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: int | None = None,
    stdout: int,
    stderr: int,
    fork: bool = True,
) -> Program:
    """Start a program in a session of its own, with its standard input as the terminal if it is one.

    It is killed when this process ends. Without `fork`, it is not forked, for tests of the start itself.
    """
    with Path(os.devnull).open() as nothing:
        files = (nothing.fileno() if stdin is None else stdin, stdout, stderr)
        match command:
            case [sys.executable, "-m", module, *arguments] if fork and _server and _can_fork(cwd, env):
                return _server.fork(Request(module, arguments, str(cwd), dict(env)), files)
        return start_process(
            command,
            cwd=cwd,
            env=env,
            **dict(zip(("stdin", "stdout", "stderr"), files, strict=True)),
            start_new_session=True,
            preexec_fn=_take_terminal if os.isatty(files[0]) else None,
        )


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Background jobs of a shell ignore Ctrl-C, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _can_fork(cwd: Path, env: Mapping[str, str]) -> bool:
    """Whether a new process would run this project, and Python's settings are those of the fork server."""
    of_python = {name: value for name, value in env.items() if name.startswith("PYTHON")}
    is_this_project = cwd == PROJECT or not (cwd / "app").exists()
    return sys.platform == "linux" and of_python == {"PYTHONPATH": str(PROJECT)} and is_this_project


@contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Become the parent of descendants that lose theirs."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)
