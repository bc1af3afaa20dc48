import time
from typing import Final

from app.http.rate_limit_headers import Windows, used

SWEEP_S: Final = 10.0
_NOTHING: Final = 0, 0.0


class MemoryCounts:
    """Counts as the package `limits` does, in half of its time; for one event loop."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, int], tuple[int, float]] = {}
        """By key and number of the window: how many it has, and until when they matter."""
        self._next_sweep = time.monotonic() + SWEEP_S

    async def hit(self, key: str, amount: int, window: int, cost: int) -> tuple[bool, Windows]:
        # A fixed window allows twice the limit at its edge.
        now = time.time()
        before, before_left, current, current_left = counted = self._windows(key, window, now)
        if used(counted, window) + cost > amount:
            return False, counted
        self.counts[key, int(now // window)] = current + cost, now + current_left
        self._sweep(now)
        return True, (before, before_left, current + cost, current_left)

    async def windows(self, key: str, window: int) -> Windows:
        return self._windows(key, window, time.time())

    def _windows(self, key: str, window: int, now: float) -> Windows:
        number, passed = int(now // window), now % window
        before, _ = self.counts.get((key, number - 1), _NOTHING)
        current, _ = self.counts.get((key, number), _NOTHING)
        return before, window - passed if before else 0.0, current, 2 * window - passed

    def _sweep(self, now: float) -> None:
        """Forget old counts now and then."""
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + SWEEP_S
            self.counts = {window: counted for window, counted in self.counts.items() if counted[1] > now}
