import asyncio
import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Final

from app.config import checked_rate
from app.database import Database
from app.database.errors import DatabaseError, DatabaseUnavailable
from app.repository import keys as repository
from app.repository.keys import StoredKey
from app.schemas.keys import Scope
from app.services.keys import BUILT_IN, end_of

log = logging.getLogger("pixelwise")

# A request that finds an older table starts to read it again ...
FRESH_S: Final = 2.0
# ... and one that finds a table older than this waits for it.
MAX_AGE_S: Final = 4.0
# Unknown keys cause no more reads than this.
READ_INTERVAL_S: Final = 1.0
READ_TIMEOUT_S: Final = 2.0
USE_INTERVAL_S: Final = 60.0
_CLOSE_TIMEOUT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ClientKey:
    name: str
    scopes: frozenset[str]
    rate_limit: str | None = None
    expires_at: datetime | None = None
    valid_until: float = math.inf

    def may(self, scope: Scope | None) -> bool:
        return scope is None or scope in self.scopes


BUILT_IN_KEY: Final = ClientKey(BUILT_IN, frozenset(Scope))


class KeyTable:
    """The stored keys, as this process last read them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[bytes, ClientKey] = {}
        self._read_at = self._tried_at = -math.inf
        self._reading: asyncio.Task[None] | None = None
        self._used: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def find(self, sha256: bytes) -> ClientKey | None:
        """Return the valid key with this digest; raise DatabaseError if the table cannot be read."""
        now = time.monotonic()
        if self._read_at < now - FRESH_S:
            self._read_again()
        # An unknown key may be newer than the table.
        needed_from = now - MAX_AGE_S if sha256 in self._keys else now
        while self._read_at < needed_from:
            await asyncio.shield(self._read_again())
        key = self._keys.get(sha256)
        if key is None or key.valid_until <= time.time():
            return None
        self._note_use(key.name)
        return key

    def expire(self) -> None:
        """Read the table again before its next use."""
        self._read_at = self._tried_at = -math.inf

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._reading is not None:
            self._reading.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._store_uses()

    def _read_again(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
            # Otherwise asyncio logs an error that no caller awaited.
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._reading

    async def _read(self) -> None:
        await asyncio.sleep(self._tried_at + READ_INTERVAL_S - time.monotonic())
        began = self._tried_at = time.monotonic()
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                stored = await self._database.read(repository.list_secrets)
        except TimeoutError:
            raise DatabaseUnavailable("the keys cannot be read in time") from None
        self._keys = {sha256: key for one in stored for sha256, key in _by_digest(one).items()}
        self._read_at = began

    def _note_use(self, name: str) -> None:
        self._used[name] = time.time()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(USE_INTERVAL_S, self._start_storing)

    def _start_storing(self) -> None:
        self._timer = None
        self._flushing = asyncio.create_task(self._store_uses())

    async def _store_uses(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        times = {name: datetime.fromtimestamp(at, UTC) for name, at in used.items()}
        try:
            await self._database.write(partial(repository.set_last_used, used=times))
        except DatabaseError:
            # Later.
            self._used = {**used, **self._used}


def _by_digest(one: StoredKey) -> dict[bytes, ClientKey]:
    ends_at = end_of(one)
    end = math.inf if ends_at is None else ends_at.timestamp()
    scopes = frozenset(one.scopes.split())

    def key(until: float) -> ClientKey:
        return ClientKey(one.name, scopes, _rate_of(one.name, one.rate_limit), one.expires_at, until)

    found = {_digest_of(one.sha256): key(end)}
    if one.previous_sha256 is not None and one.previous_until is not None:
        found[_digest_of(one.previous_sha256)] = key(min(end, one.previous_until.timestamp()))
    return found


def _digest_of(sha256: str) -> bytes:
    try:
        return bytes.fromhex(sha256)
    except (ValueError, TypeError):
        # That of no key.
        return b""


# Logs each once.
@cache
def _rate_of(name: str, rate_limit: str | None) -> str | None:
    if rate_limit is None:
        return None
    try:
        return checked_rate(rate_limit)
    except (ValueError, TypeError):
        log.warning("the rate limit of key %s is ignored; it must look like 30/minute, or be off", name)
        return None
