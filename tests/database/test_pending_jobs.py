"""Callers that wait too long: each is told, and nothing is stored once somebody was told that nothing is."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.database import Database, database, writer
from app.database.errors import DatabaseBusy, DatabaseUnavailable, OutcomeUnknown
from app.database.postgres.engine import POSTGRES_THREADS
from app.database.writer import MAX_TOGETHER, MAX_WAITING
from tests.support.predictions import add_prediction, count_predictions
from tests.support.service import connected

TOO_LONG = "does not answer"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[Database]:
    """An open database, once on each engine, for which nobody waits longer than two seconds."""
    for module, name in ((writer, "ANSWER_WITHIN_S"), (database, "ANSWER_WITHIN_S"), (database, "SCAN_WITHIN_S")):
        monkeypatch.setattr(module, name, 2.0)
    opened = Database(database_url.replace("postgresql://", "postgresql+psycopg://"))
    yield opened
    opened.close()


class Hanging:
    """Works that do not end before `release` is called."""

    def __init__(self) -> None:
        self._released = threading.Event()
        self.begun = threading.Semaphore(0)

    def work(self, session: Session) -> int:
        added = add_prediction(session)
        self.wait()
        return added

    def wait(self, *_: object) -> None:
        self.begun.release()
        assert self._released.wait(30)

    def release(self) -> None:
        self._released.set()


async def occupy(database: Database, hanging: Hanging) -> list[asyncio.Task[int]]:
    """Give each thread that writes a work that hangs."""
    tasks = []
    for _ in range(POSTGRES_THREADS if "postgresql" in database.engine.url.drivername else 1):
        tasks.append(asyncio.create_task(database.write(hanging.work)))
        assert await asyncio.to_thread(hanging.begun.acquire, timeout=30)
    return tasks


@pytest.mark.parametrize("together", [1, 3])
def test_what_was_not_committed_in_time_is_told_and_never_is(impatient: Database, together: int) -> None:
    hanging = Hanging()

    async def scenario() -> list[object]:
        under_way = await occupy(impatient, hanging)
        waiting = [asyncio.create_task(impatient.write(add_prediction)) for _ in range(together)]
        outcomes = await asyncio.gather(*under_way, *waiting, return_exceptions=True)
        hanging.release()
        return list(outcomes)

    outcomes = asyncio.run(scenario())
    assert {type(outcome) for outcome in outcomes} == {DatabaseUnavailable}
    assert TOO_LONG in str(outcomes[0])
    # Which lets the threads do first what they were to do.
    impatient.close()
    assert asyncio.run(impatient.read(count_predictions)) == 0


@pytest.mark.parametrize("together", [1, 3])
def test_what_was_being_committed_is_not_called_nothing_stored(impatient: Database, together: int) -> None:
    hanging = Hanging()
    event.listen(impatient.engine, "commit", hanging.wait)

    async def scenario() -> list[object]:
        outcomes = await asyncio.gather(
            *[impatient.write(add_prediction) for _ in range(together)], return_exceptions=True
        )
        hanging.release()
        return list(outcomes)

    assert [type(outcome) for outcome in asyncio.run(scenario())] == [OutcomeUnknown] * together
    impatient.close()
    # In this case they were stored.
    assert asyncio.run(impatient.read(count_predictions)) == together


@pytest.mark.parametrize("late_one", [0, 1])
def test_one_that_is_too_late_does_not_take_along_whoever_shares_its_transaction(
    impatient: Database, late_one: int
) -> None:
    hanging = Hanging()

    async def scenario() -> int:
        waiting = impatient._open_lanes().writer._waiting
        loop = asyncio.get_running_loop()
        waiting._watch(loop, loop.time() + 2)

        async def write(work: Callable[[Session], int], within_s: float) -> int:
            waiting._within_s = within_s
            return await impatient.write(work)

        # In one round of the loop, so in one transaction.
        tasks = [
            asyncio.create_task(write(work, 2 if number == late_one else 30))
            for number, work in enumerate((hanging.work, add_prediction))
        ]
        late, in_time = tasks[late_one], tasks[1 - late_one]
        with pytest.raises(DatabaseUnavailable, match=TOO_LONG):
            await late
        hanging.release()
        return await in_time

    rollbacks: list[object] = []
    event.listen(impatient.engine, "rollback", rollbacks.append)
    assert asyncio.run(scenario()) > 0
    assert rollbacks
    impatient.close()
    assert asyncio.run(impatient.read(count_predictions)) == 1


def test_reads_and_scans_are_told_too(impatient: Database) -> None:
    hanging = Hanging()

    async def scenario() -> None:
        for ask in (impatient.read, impatient.scan):
            with pytest.raises(DatabaseUnavailable, match=TOO_LONG):
                await ask(hanging.wait)
        with pytest.raises(DatabaseUnavailable, match=TOO_LONG):
            async for _ in impatient.stream(pieces):
                pass

    def pieces(session: Session) -> Iterator[int]:
        yield count_predictions(session)
        hanging.wait()
        yield count_predictions(session)

    try:
        asyncio.run(scenario())
    finally:
        hanging.release()
    assert asyncio.run(impatient.scan(count_predictions)) == 0


def test_no_more_are_kept_for_a_database_that_hangs_than_may_wait_for_one(impatient: Database) -> None:
    hanging = Hanging()

    async def scenario() -> None:
        under_way = await occupy(impatient, hanging)
        crowd = [impatient.write(add_prediction) for _ in range(MAX_WAITING - len(under_way))]
        assert {type(outcome) for outcome in await asyncio.gather(*crowd, return_exceptions=True)} == {
            DatabaseUnavailable
        }
        with pytest.raises(DatabaseBusy, match=f"{MAX_WAITING} requests wait"):
            await impatient.write(add_prediction)
        hanging.release()
        await asyncio.gather(*under_way, return_exceptions=True)

    asyncio.run(scenario())
    impatient.close()
    assert asyncio.run(impatient.write(add_prediction)) > 0
    assert asyncio.run(impatient.read(count_predictions)) == 1


def test_crowd_behind_a_kept_lock_is_told_of_the_lock(sqlite_database: Database, sqlite_url: str) -> None:
    async def scenario() -> list[object]:
        return list(
            await asyncio.gather(
                *[sqlite_database.write(add_prediction) for _ in range(MAX_TOGETHER)], return_exceptions=True
            )
        )

    with connected(sqlite_url) as other:
        other.execute(text("BEGIN IMMEDIATE"))
        outcomes = asyncio.run(scenario())
    assert {(type(outcome), str(outcome)) for outcome in outcomes} == {(DatabaseBusy, "database is locked")}
    assert asyncio.run(sqlite_database.read(count_predictions)) == 0
