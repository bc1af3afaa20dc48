import asyncio
import time
from collections.abc import Awaitable, Mapping
from typing import Final, NamedTuple

from app.database import Database
from app.database.errors import DatabaseBusy, DatabaseError, DatabaseFull
from app.schemas.health import OK

# A check commits and needs no key, so its result is kept this long.
KEEP_S: Final = 1.0
TIMEOUT_S: Final = 2.0

WRITE: Final = "write"
STANDBY: Final = "standby"
"""Only with READ_DATABASE_URL. Without the standby, reads go to the primary server."""


class _Outcome(NamedTuple):
    full: str
    public: str
    """Without paths, hosts and names."""
    logged: str | None


_FINE: Final = _Outcome(OK, OK, None)


class Checks(NamedTuple):
    """`ok` or a problem by check."""

    full: dict[str, str]
    public: dict[str, str]
    logged: list[str]


class ReadinessChecks:
    """Checks of schema and a write, shared by all callers within KEEP_S."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._checked_at = -KEEP_S
        self._checks = Checks({}, {}, [])

    async def check(self) -> Checks:
        async with self._lock:
            if time.monotonic() - self._checked_at >= KEEP_S:
                outcomes = {
                    # The service does not start without it.
                    "model": _FINE,
                    "schema": await _outcome(self._database.check_read()),
                    WRITE: await _outcome(self._database.check_write()),
                }
                if self._database.has_standby:
                    problem = self._database.standby_problem
                    outcomes[STANDBY] = _Outcome(problem, "not in use", None) if problem else _FINE
                self._checks = Checks(
                    {name: outcome.full for name, outcome in outcomes.items()},
                    {name: outcome.public for name, outcome in outcomes.items()},
                    [outcome.logged for outcome in outcomes.values() if outcome.logged],
                )
                self._checked_at = time.monotonic()
            return self._checks


def is_ready(checks: Mapping[str, str]) -> bool:
    return all(state == OK for name, state in checks.items() if name != STANDBY)


def is_read_only(checks: Mapping[str, str]) -> bool:
    return STANDBY in checks and not is_ready(checks) and is_ready({**checks, WRITE: OK})


async def _outcome(check: Awaitable[str | None]) -> _Outcome:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            problem = await check
    except TimeoutError:
        late = f"no answer within {TIMEOUT_S:g} s"
        return _Outcome(late, late, f"not ready: {late}")
    except DatabaseError as error:
        return _Outcome(str(error), public_text(error), f"{type(error).__name__}: {error}")
    return _Outcome(problem, "the tables are not those of this release", problem) if problem else _FINE


def public_text(error: DatabaseError) -> str:
    match error:
        case DatabaseBusy():
            return "the database is busy"
        case DatabaseFull():
            return "the disk is full"
    return "the database cannot be used"
