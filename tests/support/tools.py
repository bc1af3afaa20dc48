"""The programs of tests/tools/requirements.txt, in a virtual environment of their own."""

import subprocess
import sys
from pathlib import Path

from tests.support.project_copy import PROJECT, cannot_run, run


def run_tool(name: str, *arguments: str, folder: Path = PROJECT, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the project's folder, or in another."""
    program = Path(sys.prefix) / "tools/bin" / name
    if not program.exists():
        cannot_run(f"{name} is missing; scripts/test installs tests/tools/requirements.txt")
    return run(folder, str(program), *arguments, **extra)
