"""Reads whose caller has timed out or is gone: their statements end."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.database import Database
from app.database.errors import DatabaseUnavailable
from tests.support.pools import open_scans
from tests.support.predictions import count_predictions
from tests.support.service import SECONDS
from tests.support.waiting import wait_until

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}


# Takes about a millisecond.
SHORT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT count(*) FROM n"


class Endless:
    """A statement that never ends by itself; says when it has begun and when it was interrupted."""

    def __init__(self) -> None:
        self.begun, self.interrupted = threading.Event(), threading.Event()

    def work(self, session: Session) -> int:
        statement = ENDLESS[session.get_bind().dialect.name]
        self.begun.set()
        try:
            session.execute(text(statement))
        finally:
            self.interrupted.set()
        return 0

    def pieces(self, session: Session) -> Iterator[int]:
        yield count_predictions(session)
        yield self.work(session)


async def drain(pieces: Any) -> None:
    async for _ in pieces:
        pass


Ask = Callable[[Database, Endless], Coroutine[Any, Any, Any]]
ASKS: dict[str, Ask] = {
    "read": lambda database, endless: database.read(endless.work),
    "scan": lambda database, endless: database.scan(endless.work),
    "stream": lambda database, endless: drain(database.stream(endless.pieces)),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
def test_statement_ends_when_its_caller_times_out(database_url: str, ask: Ask) -> None:
    database = Database(database_url, answer_timeout_s=0.3, scan_timeout_s=0.3)
    endless = Endless()
    try:
        with pytest.raises(DatabaseUnavailable, match="does not answer"):
            asyncio.run(ask(database, endless))
        assert endless.interrupted.wait(SECONDS)
        assert asyncio.run(database.read(count_predictions)) == asyncio.run(database.scan(count_predictions)) == 0
    finally:
        database.close()


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
def test_statement_ends_when_its_caller_is_gone(database: Database, ask: Ask) -> None:
    endless = Endless()

    async def scenario() -> None:
        asking = asyncio.create_task(ask(database, endless))
        assert await asyncio.to_thread(endless.begun.wait, SECONDS)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.to_thread(endless.interrupted.wait, SECONDS)

    asyncio.run(scenario())
    assert asyncio.run(database.read(count_predictions)) == asyncio.run(database.scan(count_predictions)) == 0
    wait_until(lambda: open_scans(database) == 0, "the scan has ended")


def test_loop_of_short_statements_ends_too(database: Database) -> None:
    ended = threading.Event()

    def work(session: Session) -> None:
        try:
            while True:
                session.execute(text(SHORT))
        finally:
            ended.set()

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(database.scan(work), 0.2)
        assert await asyncio.to_thread(ended.wait, SECONDS)

    asyncio.run(scenario())


def test_queued_read_of_a_caller_that_is_gone_never_runs(database: Database) -> None:
    release, ran = threading.Event(), threading.Event()

    async def scenario() -> None:
        busy = [asyncio.create_task(database.read(lambda _: release.wait(SECONDS))) for _ in range(8)]
        await asyncio.sleep(0)
        queued = asyncio.create_task(database.read(lambda _: ran.set()))
        await asyncio.sleep(0)
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        release.set()
        assert await asyncio.gather(*busy) == [True] * 8
        await database.read(count_predictions)

    asyncio.run(scenario())
    assert not ran.is_set()
