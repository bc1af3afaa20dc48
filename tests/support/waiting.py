"""Wait for what happens a moment later."""

import time
from collections.abc import Callable

# How long anything may take before a test says that it hangs.
PATIENCE_S = 30


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for the condition; fail, naming it, when it does not come true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"after {PATIENCE_S} s still not true: {what}"
        time.sleep(0.02)
