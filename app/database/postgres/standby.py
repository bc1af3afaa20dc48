"""Reads on a standby server, which follows the primary server a few milliseconds later."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from functools import partial
from typing import Final, NamedTuple, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.database.errors import DatabaseError
from app.database.reader import Reader
from app.database.writer import Writer
from app.logs.throttled import ThrottledLog

T = TypeVar("T")

log = logging.getLogger("pixelwise")

# A standby that is further behind is not waited for.
MAX_LAG_S: Final = 0.25
# While the primary does not answer, the standby may lack this much of its log: one segment.
MAX_LOSS_BYTES: Final = 16 << 20
SERVER_TIMEOUT_S: Final = 1.0
CHECK_INTERVAL_S: Final = 0.25
"""Between checks while a server is in trouble."""

_FIRST_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.02

_POSITION: Final = text(
    "SELECT system_identifier, oid, CAST(wal AS text),"
    " (wal - '0/0') % CAST(current_setting('wal_block_size') AS integer) = 0"
    " FROM pg_current_wal_flush_lsn() AS wal, pg_control_system(), pg_database WHERE datname = current_database()"
)
_END_RECORD: Final = text("SELECT CAST(pg_logical_emit_message(true, 'pixelwise', '') AS text)")
_STATE: Final = text(
    "SELECT system_identifier, oid, pg_is_in_recovery(),"
    " CAST(pg_wal_lsn_diff(CAST(:wal AS pg_lsn), pg_last_wal_replay_lsn()) AS bigint)"
    " FROM pg_control_system(), pg_database WHERE datname = current_database()"
)
_WRITTEN: Final = text("SELECT CAST(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), CAST(:wal AS pg_lsn)) AS bigint)")

_AHEAD: Final = "it is ahead of the server in DATABASE_URL, which was restored or failed over; make the standby again"


class LogPosition(NamedTuple):
    """The end of the primary's log on disk."""

    system: int
    database: int
    wal: str
    is_page_end: bool
    """Then the last record may be cut, and a standby cannot apply it."""


class ServerState(NamedTuple):
    system: int
    database: int
    is_standby: bool
    missing_bytes: int | None
    """None on a server that has never been a standby."""


class Trouble:
    """The problem of a server, logged when it begins and when it ends, at most once a minute."""

    def __init__(self, begins: str, ends: str) -> None:
        self.problem: str | None = None
        self._begins, self._ends = begins, ends
        self._throttle = ThrottledLog()
        self._is_logged = False

    def update(self, problem: str | None) -> None:
        if problem is not None and self.problem is None:
            self._is_logged = self._throttle.is_due(self._begins)
            if self._is_logged:
                log.warning(self._begins, problem)
        if problem is None and self.problem is not None and self._is_logged:
            log.warning(self._ends)
        self.problem = problem


class Standby:
    """Chooses the server for each read.

    The standby answers if it has everything that was committed when the read began, or if the primary does not answer.
    """

    def __init__(self, reader: Reader, scanner: Reader, *, primary_reader: Reader, primary_writer: Writer) -> None:
        self.reader, self.scanner = reader, scanner
        self._primary_reader, self._primary_writer = primary_reader, primary_writer
        self._trouble = Trouble(
            "READ_DATABASE_URL is not used: %s; reads go to the primary server", "READ_DATABASE_URL is used again"
        )
        self._primary_trouble = Trouble(
            "DATABASE_URL does not answer: %s; reads go to READ_DATABASE_URL, without the latest rows",
            "DATABASE_URL answers again",
        )
        self._position: LogPosition | None = None
        self._is_known_ahead = False
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._repeated: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        return self._trouble.problem

    async def is_usable(self) -> bool:
        if self._in_trouble:
            # Requests do not wait for a server that has a problem.
            self._keep_checking()
        else:
            await asyncio.shield(self._next_check())
        return self.problem is None

    def note_commit(self) -> None:
        """Note that the primary answers, so that the next read waits for a check."""
        self._primary_trouble.update(None)

    @property
    def _in_trouble(self) -> bool:
        return self.problem is not None or self._primary_trouble.problem is not None

    def _next_check(self) -> asyncio.Task[None]:
        """Return a check that begins after this call."""
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._check_after(self._running))
        return self._next

    async def _check_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None and not running.done():
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        if not self._in_trouble:
            await self._check()

    def _keep_checking(self) -> None:
        if self._repeated is None or self._repeated.done():
            self._repeated = asyncio.create_task(self._check_until_well())

    async def _check_until_well(self) -> None:
        while self._in_trouble:
            await asyncio.sleep(CHECK_INTERVAL_S)
            await self._check()

    async def _check(self) -> None:
        position = await self._ask_primary(self._find_position())
        self._position = position or self._position
        self._trouble.update(await self._find_problem(primary_answers=position is not None))
        if self._in_trouble:
            self._keep_checking()

    async def _ask_primary(self, answer: Awaitable[T]) -> T | None:
        """Return None if the primary does not answer."""
        try:
            async with asyncio.timeout(SERVER_TIMEOUT_S):
                found = await answer
        except (DatabaseError, TimeoutError) as error:
            self._primary_trouble.update(_text_of(error))
            return None
        self._primary_trouble.update(None)
        return found

    async def _find_position(self) -> LogPosition:
        position = await self._primary_reader.run(find_position)
        if position.is_page_end:
            # PostgreSQL writes the rest of a cut record with the next commit, which may come late.
            await self._primary_writer.run(lambda session: session.execute(_END_RECORD))
            position = await self._primary_reader.run(find_position)
        return position

    async def _find_problem(self, *, primary_answers: bool) -> str | None:
        """Wait up to MAX_LAG_S until the standby has the position; return its problem."""
        allowed_bytes = 0 if primary_answers else MAX_LOSS_BYTES
        deadline, pause_s = time.monotonic() + MAX_LAG_S, _FIRST_PAUSE_S
        try:
            while True:
                async with asyncio.timeout(SERVER_TIMEOUT_S):
                    state = await self.reader.run(partial(find_state, self._position))
                if problem := _problem_of(state, self._position, primary_answers=primary_answers):
                    return problem
                if (state.missing_bytes or 0) <= allowed_bytes:
                    return _AHEAD if await self._is_ahead(state, primary_answers=primary_answers) else None
                if time.monotonic() > deadline:
                    return f"it is more than {MAX_LAG_S:g} s behind the primary server"
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        except (DatabaseError, TimeoutError) as error:
            return _text_of(error)

    async def _is_ahead(self, state: ServerState, *, primary_answers: bool) -> bool:
        """Return whether the standby has what the primary never wrote."""
        if primary_answers and self._position is not None:
            beyond = -(state.missing_bytes or 0)
            written: int | None = 0
            if beyond > 0:
                # The primary may have written more since.
                written = await self._ask_primary(self._primary_reader.run(partial(find_written_bytes, self._position)))
            if written is not None:
                self._is_known_ahead = beyond > written
        return self._is_known_ahead


def find_position(session: Session) -> LogPosition:
    return LogPosition(*session.execute(_POSITION).one())


def find_state(position: LogPosition | None, session: Session) -> ServerState:
    return ServerState(*session.execute(_STATE, {"wal": position and position.wal}).one())


def find_written_bytes(since: LogPosition, session: Session) -> int:
    return int(session.execute(_WRITTEN, {"wal": since.wal}).scalar_one())


def _problem_of(state: ServerState, position: LogPosition | None, *, primary_answers: bool) -> str | None:
    if position is not None and (state.system, state.database) != (position.system, position.database):
        return "it is not a copy of the database in DATABASE_URL"
    # A promoted server is the best there is while the other one is away.
    if primary_answers and not state.is_standby:
        return "it is not a standby server: it was promoted, or never was one"
    return None


def _text_of(error: Exception) -> str:
    return str(error) or f"no answer within {SERVER_TIMEOUT_S:g} s"
