import asyncio
import time
from collections.abc import Awaitable, Mapping
from typing import Final

from app.database import Database
from app.schemas.health import OK

# A check commits and needs no key, so its result is kept this long.
KEEP_S: Final = 1.0
TIMEOUT_S: Final = 2.0

WRITE: Final = "write"
STANDBY: Final = "standby"
"""Only with READ_DATABASE_URL. Without the standby, reads go to the primary server."""


class ReadinessChecks:
    """Checks of schema and a write, shared by all callers within KEEP_S."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._checked_at = -KEEP_S
        self._checks: dict[str, str] = {}

    async def check(self) -> dict[str, str]:
        """Return `ok` or a problem for each check."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= KEEP_S:
                self._checks = {
                    # The service does not start without it.
                    "model": OK,
                    "schema": await _outcome(self._database.try_read()),
                    WRITE: await _outcome(self._database.try_write()),
                }
                if self._database.has_standby:
                    self._checks[STANDBY] = self._database.standby_problem or OK
                self._checked_at = time.monotonic()
            return self._checks


def is_ready(checks: Mapping[str, str]) -> bool:
    return all(state == OK for name, state in checks.items() if name != STANDBY)


def is_read_only(checks: Mapping[str, str]) -> bool:
    return STANDBY in checks and not is_ready(checks) and is_ready({**checks, WRITE: OK})


async def _outcome(check: Awaitable[str | None]) -> str:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await check or OK
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:g} s"
