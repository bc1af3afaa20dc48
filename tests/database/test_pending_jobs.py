"""Callers that time out: each gets an error, and no row is stored after an error that says so."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.database import Database
from app.database.errors import DatabaseBusy, DatabaseUnavailable, OutcomeUnknown
from app.database.limits import QUEUE_SIZE
from tests.support.hanging_writes import Hanging, occupy
from tests.support.predictions import add_prediction, count_predictions
from tests.support.service import connected

TIMED_OUT = "does not answer"


@pytest.fixture
def short_deadlines(database_url: str) -> Iterator[Database]:
    """A database, once on each engine, whose callers time out after two seconds."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    opened = Database(url, answer_timeout_s=2.0, scan_timeout_s=2.0)
    yield opened
    opened.close()


@pytest.mark.parametrize("together", [1, 3])
def test_write_that_times_out_before_its_commit_is_never_stored(short_deadlines: Database, together: int) -> None:
    hanging = Hanging()

    async def scenario() -> list[object]:
        under_way = await occupy(short_deadlines, hanging)
        waiting = [asyncio.create_task(short_deadlines.write(add_prediction)) for _ in range(together)]
        outcomes = await asyncio.gather(*under_way, *waiting, return_exceptions=True)
        hanging.release()
        return list(outcomes)

    outcomes = asyncio.run(scenario())
    assert {type(outcome) for outcome in outcomes} == {DatabaseUnavailable}
    assert TIMED_OUT in str(outcomes[0])
    # Closing waits until the threads have emptied the queue.
    short_deadlines.close()
    assert asyncio.run(short_deadlines.read(count_predictions)) == 0


def test_timeout_during_commit_reports_unknown_outcome(short_deadlines: Database) -> None:
    hanging = Hanging()
    event.listen(short_deadlines.engine, "commit", hanging.wait)

    async def scenario() -> None:
        with pytest.raises(OutcomeUnknown):
            await short_deadlines.write(add_prediction)
        hanging.release()

    asyncio.run(scenario())
    short_deadlines.close()
    # This time it was stored.
    assert asyncio.run(short_deadlines.read(count_predictions)) == 1


def test_reads_scans_and_streams_time_out_too(short_deadlines: Database) -> None:
    hanging = Hanging()

    async def scenario() -> None:
        for ask in (short_deadlines.read, short_deadlines.scan):
            with pytest.raises(DatabaseUnavailable, match=TIMED_OUT):
                await ask(hanging.wait)
        with pytest.raises(DatabaseUnavailable, match=TIMED_OUT):
            async for _ in short_deadlines.stream(pieces):
                pass

    def pieces(session: Session) -> Iterator[int]:
        yield count_predictions(session)
        hanging.wait()
        yield count_predictions(session)

    try:
        asyncio.run(scenario())
    finally:
        hanging.release()
    assert asyncio.run(short_deadlines.scan(count_predictions)) == 0


def test_jobs_that_timed_out_count_as_pending_while_the_database_hangs(short_deadlines: Database) -> None:
    hanging = Hanging()

    async def scenario() -> None:
        under_way = await occupy(short_deadlines, hanging)
        crowd = [short_deadlines.write(add_prediction) for _ in range(QUEUE_SIZE - len(under_way))]
        assert {type(outcome) for outcome in await asyncio.gather(*crowd, return_exceptions=True)} == {
            DatabaseUnavailable
        }
        with pytest.raises(DatabaseBusy, match=f"{QUEUE_SIZE} requests are waiting"):
            await short_deadlines.write(add_prediction)
        hanging.release()
        await asyncio.gather(*under_way, return_exceptions=True)

    asyncio.run(scenario())
    short_deadlines.close()
    assert asyncio.run(short_deadlines.write(add_prediction)) > 0
    assert asyncio.run(short_deadlines.read(count_predictions)) == 1


def test_write_behind_a_held_lock_fails_with_the_error_of_the_lock(sqlite_database: Database, sqlite_url: str) -> None:
    with connected(sqlite_url) as other:
        other.execute(text("BEGIN IMMEDIATE"))
        with pytest.raises(DatabaseBusy, match=r"^database is locked$"):
            asyncio.run(sqlite_database.write(add_prediction))
    assert asyncio.run(sqlite_database.read(count_predictions)) == 0
