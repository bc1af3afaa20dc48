"""What a service tells the disk and its clients, written down by strace."""

import os
from collections.abc import Sequence
from pathlib import Path

from clone import cannot_run, need, run


def strace(output: Path, *calls: str) -> Sequence[str]:
    """The command that writes down these system calls of what follows it, and is not its parent."""
    need("strace", "strace")
    if run(Path("/"), "strace", "-o", os.devnull, "true").returncode != 0:
        cannot_run("strace may not look into other processes here; to run this test: allow ptrace")
    return "strace", "-D", "-f", "-y", "-o", str(output), "-e", f"trace={','.join(calls)}"
