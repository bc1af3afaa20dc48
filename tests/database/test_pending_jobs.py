"""Callers that time out: each gets an error, and no row is stored after an error that says so."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.database import Database
from app.database.errors import DatabaseBusy, DatabaseUnavailable, OutcomeUnknown
from app.database.limits import QUEUE_SIZE
from app.database.writer import COMMIT_BATCH_SIZE
from tests.support.hanging_writes import Hanging, occupy
from tests.support.predictions import add_prediction, count_predictions
from tests.support.service import connected

TIMED_OUT = "does not answer"


@pytest.fixture
def impatient(database_url: str) -> Iterator[Database]:
    """A database, once on each engine, whose callers time out after two seconds."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    opened = Database(url, answer_timeout_s=2.0, scan_timeout_s=2.0)
    yield opened
    opened.close()


@pytest.mark.parametrize("together", [1, 3])
def test_write_that_times_out_before_its_commit_is_never_stored(impatient: Database, together: int) -> None:
    hanging = Hanging()

    async def scenario() -> list[object]:
        under_way = await occupy(impatient, hanging)
        waiting = [asyncio.create_task(impatient.write(add_prediction)) for _ in range(together)]
        outcomes = await asyncio.gather(*under_way, *waiting, return_exceptions=True)
        hanging.release()
        return list(outcomes)

    outcomes = asyncio.run(scenario())
    assert {type(outcome) for outcome in outcomes} == {DatabaseUnavailable}
    assert TIMED_OUT in str(outcomes[0])
    # Closing waits until the threads have emptied the queue.
    impatient.close()
    assert asyncio.run(impatient.read(count_predictions)) == 0


@pytest.mark.parametrize("together", [1, 3])
def test_timeout_during_commit_reports_unknown_outcome(impatient: Database, together: int) -> None:
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
    # This time they were stored.
    assert asyncio.run(impatient.read(count_predictions)) == together


@pytest.mark.parametrize("late_one", [0, 1])
def test_write_that_times_out_does_not_fail_the_others_of_its_transaction(impatient: Database, late_one: int) -> None:
    hanging = Hanging()

    async def scenario() -> int:
        async def write(work: Callable[[Session], int], timeout_s: float) -> int:
            impatient.pending_writes.timeout_s = timeout_s
            return await impatient.write(work)

        # In one round of the event loop, so in one transaction.
        tasks = [
            asyncio.create_task(write(work, 2 if number == late_one else 30))
            for number, work in enumerate((hanging.work, add_prediction))
        ]
        late, in_time = tasks[late_one], tasks[1 - late_one]
        with pytest.raises(DatabaseUnavailable, match=TIMED_OUT):
            await late
        hanging.release()
        return await in_time

    rollbacks: list[object] = []
    event.listen(impatient.engine, "rollback", rollbacks.append)
    assert asyncio.run(scenario()) > 0
    assert rollbacks
    impatient.close()
    assert asyncio.run(impatient.read(count_predictions)) == 1


def test_reads_scans_and_streams_time_out_too(impatient: Database) -> None:
    hanging = Hanging()

    async def scenario() -> None:
        for ask in (impatient.read, impatient.scan):
            with pytest.raises(DatabaseUnavailable, match=TIMED_OUT):
                await ask(hanging.wait)
        with pytest.raises(DatabaseUnavailable, match=TIMED_OUT):
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


def test_jobs_that_timed_out_count_as_pending_while_the_database_hangs(impatient: Database) -> None:
    hanging = Hanging()

    async def scenario() -> None:
        under_way = await occupy(impatient, hanging)
        crowd = [impatient.write(add_prediction) for _ in range(QUEUE_SIZE - len(under_way))]
        assert {type(outcome) for outcome in await asyncio.gather(*crowd, return_exceptions=True)} == {
            DatabaseUnavailable
        }
        with pytest.raises(DatabaseBusy, match=f"{QUEUE_SIZE} requests are waiting"):
            await impatient.write(add_prediction)
        hanging.release()
        await asyncio.gather(*under_way, return_exceptions=True)

    asyncio.run(scenario())
    impatient.close()
    assert asyncio.run(impatient.write(add_prediction)) > 0
    assert asyncio.run(impatient.read(count_predictions)) == 1


def test_writes_behind_a_held_lock_fail_with_the_error_of_the_lock(sqlite_database: Database, sqlite_url: str) -> None:
    async def scenario() -> list[object]:
        return list(
            await asyncio.gather(
                *[sqlite_database.write(add_prediction) for _ in range(COMMIT_BATCH_SIZE)], return_exceptions=True
            )
        )

    with connected(sqlite_url) as other:
        other.execute(text("BEGIN IMMEDIATE"))
        outcomes = asyncio.run(scenario())
    assert {(type(outcome), str(outcome)) for outcome in outcomes} == {(DatabaseBusy, "database is locked")}
    assert asyncio.run(sqlite_database.read(count_predictions)) == 0
