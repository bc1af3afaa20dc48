"""`python -m benchmarks.attacks NAME...`: run these attacks, or all; exit with 1 if a limit is exceeded."""

import subprocess
import sys
import time
from pathlib import Path

# Modules that attack; the others are their tools.
TOOLS = ("__init__", "__main__", "victim")
ATTACKS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in TOOLS)


def main(names: list[str]) -> int:
    """Run each attack in a process of its own."""
    unknown = sorted(set(names) - set(ATTACKS))
    if unknown:
        print(f"unknown: {' '.join(unknown)}; the attacks are {' '.join(ATTACKS)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or ATTACKS:
        began = time.monotonic()
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.attacks.{name}"]).returncode:
            failed.append(name)
        print(f"\n{time.monotonic() - began:.0f} s", flush=True)
    print(f"\nA limit was exceeded by: {' '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
