import asyncio
import time
from collections.abc import Awaitable
from typing import Final

from app.classifier import Classifier
from app.database import Database

# A check commits and needs no key, so its result is kept this long.
KEEP_S: Final = 1.0
TIMEOUT_S: Final = 2.0


class Readiness:
    """Checks of model, schema and a write, shared by all callers within KEEP_S."""

    def __init__(self, classifier: Classifier, database: Database) -> None:
        self._classifier = classifier
        self._database = database
        self._lock = asyncio.Lock()
        self._checked_at = -KEEP_S
        self._checks: dict[str, str] = {}

    async def check(self) -> dict[str, str]:
        """Return `ok` or a problem for each check."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= KEEP_S:
                self._checks = {
                    "model": "ok" if self._classifier.version else "not loaded",
                    "schema": await _outcome(self._database.read_problem()),
                    "write": await _outcome(self._database.write_problem()),
                }
                self._checked_at = time.monotonic()
            return self._checks


async def _outcome(check: Awaitable[str | None]) -> str:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await check or "ok"
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:g} s"
