"""Group commit: what the writes of a batch share, and what they do not."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.orm import Session

from app.database import Database
from app.database.errors import DatabaseUnavailable
from app.database.writer import COMMIT_BATCH_SIZE
from app.models import Prediction
from tests.support.hanging_writes import Hanging, occupy


def add(confidence: float = 0.5) -> Callable[[Session], int]:
    def work(session: Session) -> int:
        prediction = Prediction(prediction="7", confidence=confidence, model_version="v1")
        session.add(prediction)
        session.flush()
        return prediction.id

    return work


def count_commits(database: Database) -> list[int]:
    commits: list[int] = []
    event.listen(database.engine, "commit", lambda _connection: commits.append(1))
    return commits


async def stored(database: Database) -> int:
    return await database.read(lambda session: session.scalar(select(func.count()).select_from(Prediction)) or 0)


def test_waiting_writes_share_a_commit_and_get_different_ids(database: Database) -> None:
    async def scenario() -> list[int]:
        return await asyncio.gather(*[database.write(add()) for _ in range(40)])

    commits = count_commits(database)
    ids = asyncio.run(scenario())
    assert len(set(ids)) == 40
    assert len(commits) == 1


def test_writes_beyond_one_batch_follow_in_the_next(database: Database) -> None:
    async def scenario() -> int:
        await asyncio.gather(*[database.write(add()) for _ in range(100)])
        return await stored(database)

    commits = count_commits(database)
    assert asyncio.run(scenario()) == 100
    assert 2 <= len(commits) <= 100


def test_rows_of_a_transaction_are_counted(database: Database) -> None:
    async def scenario() -> None:
        await asyncio.gather(*[database.write(add(), rows=COMMIT_BATCH_SIZE // 2) for _ in range(6)])

    commits = count_commits(database)
    asyncio.run(scenario())
    assert len(commits) == 3


def test_small_write_overtakes_a_large_one_and_shares_no_transaction_with_it(database: Database) -> None:
    order: list[str] = []

    def note(name: str) -> Callable[[Session], None]:
        def work(session: Session) -> None:
            add()(session)
            order.append(name)

        return work

    async def scenario() -> None:
        works = (("batch", 1000), ("drawing", 1), ("batch", 1000), ("drawing", 1))
        await asyncio.gather(*[database.write(note(name), rows=rows) for name, rows in works])

    commits = count_commits(database)
    asyncio.run(scenario())
    assert order == ["drawing", "drawing", "batch", "batch"]
    assert len(commits) == 3


def test_write_of_a_caller_that_is_gone_is_never_stored(database: Database) -> None:
    hanging = Hanging()

    async def scenario() -> int:
        busy = await occupy(database, hanging)
        gone = asyncio.create_task(database.write(add()))
        await asyncio.sleep(0.05)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        hanging.release()
        await asyncio.gather(*busy)
        await database.write(add())
        return await stored(database) - len(busy)

    assert asyncio.run(scenario()) == 1


def test_each_write_has_its_own_session(database: Database) -> None:
    sessions: list[Session] = []

    async def scenario() -> None:
        await asyncio.gather(*[database.write(sessions.append) for _ in range(5)])

    asyncio.run(scenario())
    assert len({id(session) for session in sessions}) == 5


@pytest.mark.parametrize("position", [0, 3, 6])
def test_failing_write_stores_nothing_and_fails_no_other(database: Database, position: int) -> None:
    def fail(session: Session) -> None:
        add()(session)
        raise LookupError("not this one")

    async def scenario() -> tuple[list[object], int]:
        works: list[Callable[[Session], object]] = [add() for _ in range(6)]
        works.insert(position, fail)
        outcomes = await asyncio.gather(*[database.write(work) for work in works], return_exceptions=True)
        return outcomes, await stored(database)

    outcomes, rows = asyncio.run(scenario())
    assert isinstance(outcomes.pop(position), LookupError)
    assert sorted(outcomes) == sorted({outcome for outcome in outcomes if isinstance(outcome, int)})
    assert rows == 6


@pytest.mark.parametrize("position", [0, 3, 6])
def test_refused_row_fails_no_other_write(database: Database, position: int) -> None:
    async def scenario() -> tuple[list[object], int]:
        works = [add() for _ in range(6)]
        works.insert(position, add(confidence=2.0))
        outcomes = await asyncio.gather(*[database.write(work) for work in works], return_exceptions=True)
        return outcomes, await stored(database)

    outcomes, rows = asyncio.run(scenario())
    assert isinstance(outcomes.pop(position), DatabaseUnavailable)
    assert all(isinstance(outcome, int) for outcome in outcomes)
    assert rows == 6


def dangling(session: Session) -> None:
    """Insert a row with a missing parent, so that the commit itself fails."""
    session.execute(text("PRAGMA defer_foreign_keys = ON"))
    session.execute(text("INSERT INTO drawings (prediction_id, pixels, scores) VALUES (999, zeroblob(784), '[]')"))


def test_failed_commit_fails_the_batch_and_is_not_retried(sqlite_database: Database) -> None:
    ran: list[int] = []

    def remember(number: int) -> Callable[[Session], None]:
        def work(session: Session) -> None:
            ran.append(number)
            add()(session)

        return work

    async def scenario() -> tuple[list[object], int]:
        works = [remember(0), remember(1), dangling, remember(2)]
        outcomes = await asyncio.gather(*[sqlite_database.write(work) for work in works], return_exceptions=True)
        return list(outcomes), await stored(sqlite_database)

    outcomes, rows = asyncio.run(scenario())
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 4
    assert ran == [0, 1, 2]
    assert rows == 0


@pytest.mark.parametrize("together", [1, 3])
def test_writes_continue_after_a_failed_commit(sqlite_database: Database, together: int) -> None:
    async def scenario() -> list[object]:
        failed = await asyncio.gather(
            *[sqlite_database.write(dangling) for _ in range(together)], return_exceptions=True
        )
        return [*failed, await sqlite_database.write(add())]

    *failed, stored_id = asyncio.run(scenario())
    assert {type(outcome) for outcome in failed} == {DatabaseUnavailable}
    assert stored_id == 1


def test_two_event_loops_in_two_threads_are_both_answered(database: Database) -> None:
    ids: list[int] = []

    async def scenario() -> None:
        ids.extend(await asyncio.gather(*[database.write(add()) for _ in range(50)]))

    threads = [threading.Thread(target=asyncio.run, args=(scenario(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(set(ids)) == 100
