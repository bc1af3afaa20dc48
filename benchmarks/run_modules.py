"""Run modules of a package, each in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterable


def run_modules(package: str, names: Iterable[str]) -> list[str]:
    """Run them one after another; return those that exited with another status than 0."""
    failed = []
    for name in names:
        began = time.monotonic()
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"{package}.{name}"]).returncode:
            failed.append(name)
        print(f"\n{time.monotonic() - began:.0f} s", flush=True)
    return failed
