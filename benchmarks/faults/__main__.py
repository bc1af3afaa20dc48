"""`python -m benchmarks.faults`: run all drills; exit with 1 if any promise is broken."""

import sys

from benchmarks.run_modules import run_modules

DRILLS = (
    "backup",
    "crowds",
    "exactly_once",
    "kills",
    "limits",
    "network",
    "postgres",
    "prune",
    "read_only",
    "wal_reset",
    "upgrade",
)


def main() -> int:
    """Run all drills."""
    broken = run_modules("benchmarks.faults", DRILLS)
    print(f"\n{len(DRILLS) - len(broken)} of {len(DRILLS)} kept every promise. {' '.join(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
