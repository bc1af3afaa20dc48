"""Leave nothing behind when the tests are killed: a second process waits for their end and cleans up.

It is started with the first thing to clean up, reads what there is from a pipe, and begins when the pipe is closed.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

PR_SET_PDEATHSIG = 1


def start_process(command: Any, **options: Any) -> "subprocess.Popen[Any]":
    """Start a process that is killed, with its descendants, when this one ends."""
    process = subprocess.Popen(command, **options)
    watch_process(process.pid)
    return process


def take_signals() -> None:
    """Let a new process end by SIGHUP and SIGINT, which the children of nohup and of background jobs ignore."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def watch_process(pid: int) -> None:
    """Kill this process, its descendants and its session when this process ends."""
    with suppress(psutil.NoSuchProcess):
        _report("process", str(pid), repr(psutil.Process(pid).create_time()))


def watch_folder(folder: Path) -> None:
    """Delete this folder, and unmount it if it is mounted, when this process ends."""
    _report("folder", str(folder))


def watch_database(admin_url: str, name: str) -> None:
    """Drop this PostgreSQL database when this process ends."""
    _report("database", admin_url, name)


def end_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent ends. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _report(*values: str) -> None:
    pipe = _watcher(os.getpid()).stdin
    assert pipe is not None
    pipe.write("\t".join(values) + "\n")
    pipe.flush()


@cache
def _watcher(_pid: int) -> "subprocess.Popen[str]":
    """Start the second process, once for each process that has something to clean up."""
    # In a session of its own: Ctrl-C in a terminal ends the tests only.
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.run_cleanup"],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def _clean_up(reports: list[list[str]]) -> None:
    _kill({int(values[0]): float(values[1]) for kind, *values in reports if kind == "process"})
    for kind, *values in reports:
        if kind == "folder":
            _delete(Path(values[0]))
    databases = [values for kind, *values in reports if kind == "database"]
    if databases:
        from tests.support.databases import drop_abandoned  # It takes half a second to import.

        for admin_url, name in databases:
            drop_abandoned(admin_url, name, patience_s=10)


def _kill(created: dict[int, float]) -> None:
    """Kill the processes with these ids and times of creation, their descendants and their sessions."""
    for process in [process for process in psutil.process_iter() if _belongs_to(process, created)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _belongs_to(process: psutil.Process, created: dict[int, float]) -> bool:
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        if process.pid == os.getpid():
            return False
        family = [process, *process.parents()]
        if any(created.get(member.pid) == member.create_time() for member in family):
            return True
        leader = os.getsid(process.pid)
        # Its leader may be gone; the kernel gives its id to no other process meanwhile.
        return leader in created and process.create_time() >= created[leader]
    return False


def _delete(folder: Path) -> None:
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _clean_up([line.rstrip("\n").split("\t") for line in sys.stdin])
