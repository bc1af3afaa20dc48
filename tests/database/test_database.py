"""Transactions: commit, rollback, queueing and refusal."""

import asyncio
import contextlib
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection

from app.database import Database
from app.database.errors import DatabaseBusy, DatabaseError
from app.database.limits import QUEUE_SIZE
from app.models import Prediction
from tests.support.predictions import a_prediction, add_prediction, count_predictions


def test_write_stores_the_row_and_returns_the_result_of_the_work(database: Database) -> None:
    assert asyncio.run(database.write(add_prediction)) == 1
    assert asyncio.run(database.read(count_predictions)) == 1


def test_exception_of_the_work_rolls_back_and_passes_through(database: Database) -> None:
    def fail(session: Session) -> None:
        add_prediction(session)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(database.write(fail))
    assert asyncio.run(database.read(count_predictions)) == 0
    assert asyncio.run(database.write(add_prediction)) >= 1


def test_transaction_is_stored_when_its_block_ends(database: Database) -> None:
    with database.transaction() as session:
        assert add_prediction(session) == 1
        assert asyncio.run(database.read(count_predictions)) == 0
    assert asyncio.run(database.read(count_predictions)) == 1
    assert asyncio.run(database.write(add_prediction)) == 2


def test_transaction_is_rolled_back_when_its_block_raises(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as session:
            add_prediction(session)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    with pytest.raises(DatabaseError), database.transaction() as session:
        session.execute(sa.text("nonsense"))
    assert asyncio.run(database.read(count_predictions)) == 0
    with database.transaction() as session:
        add_prediction(session)
    assert asyncio.run(database.read(count_predictions)) == 1


def test_released_savepoint_is_rolled_back_with_its_transaction(database: Database) -> None:
    def fail(session: Session) -> None:
        with session.begin_nested():
            add_prediction(session)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(database.write(fail))
    assert asyncio.run(database.read(count_predictions)) == 0


def test_rows_stay_readable_after_the_commit(database: Database) -> None:
    def add(session: Session) -> Prediction:
        added = a_prediction()
        session.add(added)
        return added

    stored = asyncio.run(database.write(add))
    assert (stored.id, stored.prediction, stored.confidence) == (1, "7", 0.94)
    assert stored.created_at is not None


def test_read_stores_nothing(database: Database) -> None:
    # SQLite refuses the row, PostgreSQL rolls it back.
    with contextlib.suppress(DatabaseError):
        asyncio.run(database.read(add_prediction))
    assert asyncio.run(database.read(count_predictions)) == 0


def test_reader_does_not_wait_behind_a_writer(database: Database) -> None:
    begun, release = threading.Event(), threading.Event()

    def write_slowly(session: Session) -> None:
        add_prediction(session)
        begun.set()
        assert release.wait(30)

    async def read_meanwhile() -> tuple[int, int]:
        writing = asyncio.create_task(database.write(write_slowly))
        await asyncio.to_thread(begun.wait, 30)
        try:
            before = await database.read(count_predictions)
        finally:
            release.set()
        await writing
        return before, await database.read(count_predictions)

    assert asyncio.run(read_meanwhile()) == (0, 1)


def test_writers_that_read_first_never_fail_on_a_lock(database_url: str) -> None:
    def count_and_add(session: Session) -> int:
        count_predictions(session)
        return add_prediction(session)

    ids: list[int] = []

    def one_process() -> None:
        database = Database(database_url.replace("postgresql://", "postgresql+psycopg://"))

        async def client() -> None:
            for _ in range(8):
                ids.append(await database.write(count_and_add))

        async def clients() -> None:
            await asyncio.gather(*(client() for _ in range(32)))

        try:
            asyncio.run(clients())
        finally:
            database.close()

    # Two databases, because another process shares the file but not the queue.
    threads = [threading.Thread(target=one_process) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == len(set(ids)) == 2 * 32 * 8


def test_writes_beyond_the_limit_are_refused_at_once_and_the_others_are_stored(database: Database) -> None:
    release = threading.Event()

    def wait(_session: Session) -> bool:
        return release.wait(60)

    async def crowd() -> list[bool]:
        waiting = [asyncio.create_task(database.write(wait)) for _ in range(QUEUE_SIZE)]
        await asyncio.sleep(0)
        try:
            with pytest.raises(DatabaseBusy, match=f"{QUEUE_SIZE} requests are waiting"):
                await database.write(wait)
            assert await database.read(count_predictions) == 0
        finally:
            release.set()
        results = await asyncio.gather(*waiting)
        assert await database.write(add_prediction) == 1
        return results

    assert asyncio.run(crowd()) == [True] * QUEUE_SIZE


def test_close_finishes_a_running_write(database: Database) -> None:
    begun = threading.Event()

    def add_slowly(session: Session) -> int:
        begun.set()
        return add_prediction(session)

    async def close_meanwhile() -> int:
        writing = asyncio.create_task(database.write(add_slowly))
        await asyncio.to_thread(begun.wait, 30)
        database.close()
        return await writing

    assert asyncio.run(close_meanwhile()) == 1
    assert asyncio.run(database.read(count_predictions)) == 1


def test_every_connection_returns_to_its_pool(database: Database) -> None:
    taken: list[PoolProxiedConnection] = []
    sa.event.listen(database.engine, "checkout", lambda *arguments: taken.append(arguments[2]))
    returned: list[object] = []
    sa.event.listen(database.engine, "checkin", lambda *arguments: returned.append(arguments[0]))
    asyncio.run(database.write(add_prediction))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(database.write(lambda _session: 1 // 0))
    with pytest.raises(DatabaseError):
        asyncio.run(database.write(lambda session: session.execute(sa.text("nonsense"))))
    assert len(taken) == len(returned) == 3
