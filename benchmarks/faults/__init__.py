"""Drills: what happens to services is done to this one, for longer than a test may take.

`python -m benchmarks.faults` runs them all; each prints what it tried and found, and exits with 1 when a promise is
broken. They use the service and the clients of the tests, on databases of their own.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
