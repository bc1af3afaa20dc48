"""What a service tells the disk and its clients, written down by strace."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.project_copy import SECONDS, cannot_run, need, run
from tests.support.run_cleanup import start_process


def strace(output: Path, *calls: str) -> Sequence[str]:
    """The command that writes down these system calls of what follows it, and is not its parent."""
    _need_strace()
    # Without the filter it would stop at each call of the system, whichever it is.
    return "strace", "-D", "-f", "--seccomp-bpf", "-y", "-o", str(output), "-e", f"trace={','.join(calls)}"


@contextmanager
def failing_syncs(pid: int) -> Iterator[None]:
    """Let every sync of a process fail, as on a disk that is broken, without being done."""
    _need_strace()
    fail = ("-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO")
    command = ["strace", "-f", "-o", os.devnull, *fail, "-p", str(pid)]
    with start_process(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        try:
            yield
        finally:
            tracer.terminate()
            tracer.communicate(timeout=SECONDS)


def _need_strace() -> None:
    need("strace", "strace")
    if run(Path("/"), "strace", "-o", os.devnull, "true").returncode != 0:
        cannot_run("strace may not look into other processes here; to run this test: allow ptrace")
