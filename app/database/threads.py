import threading
import time
from collections.abc import Callable
from queue import SimpleQueue


class Threads:
    """Threads that make calls, first come, first served."""

    def __init__(self, name: str, count: int) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # Daemons: a hanging server must not block the exit.
        self._threads = [threading.Thread(target=self._serve, name=name, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def put(self, call: Callable[[], None]) -> None:
        """Queue a call, which must not raise."""
        self._calls.put(call)

    def close(self, deadline: float) -> bool:
        """End after the queued calls; return whether all have ended by the deadline (`time.monotonic()`)."""
        self._calls.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self) -> None:
        while True:
            call = self._calls.get()
            if call is not None:
                call()
                # Otherwise the idle thread keeps the result.
                del call
                continue
            # A call may have queued another one behind the end.
            is_last = self._calls.empty()
            self._calls.put(None)
            if is_last:
                return
