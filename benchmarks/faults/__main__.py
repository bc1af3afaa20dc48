"""`python -m benchmarks.faults`: run all drills; exit with 1 if any promise is broken."""

import subprocess
import sys
import time

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
    """Run all drills, each in a process of its own."""
    broken = []
    for drill in DRILLS:
        began = time.monotonic()
        print(f"\n## {drill}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.faults.{drill}"]).returncode:
            broken.append(drill)
        print(f"\n{time.monotonic() - began:.0f} s", flush=True)
    print(f"\n{len(DRILLS) - len(broken)} of {len(DRILLS)} kept every promise. {' '.join(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
