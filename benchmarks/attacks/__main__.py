"""`python -m benchmarks.attacks NAME...`: run these attacks, or all; exit with 1 if a limit is exceeded."""

import sys
from pathlib import Path

from benchmarks.run_modules import run_modules

# Modules that attack; the others are their tools.
TOOLS = ("__init__", "__main__", "victim")
ATTACKS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in TOOLS)


def main(names: list[str]) -> int:
    """Run the attacks."""
    unknown = sorted(set(names) - set(ATTACKS))
    if unknown:
        print(f"unknown: {' '.join(unknown)}; the attacks are {' '.join(ATTACKS)}", file=sys.stderr)
        return 2
    failed = run_modules("benchmarks.attacks", names or ATTACKS)
    print(f"\nA limit was exceeded by: {' '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
