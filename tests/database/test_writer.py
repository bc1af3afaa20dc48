"""Writes, each in a transaction and a session of its own."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.database import Database
from app.database.errors import DatabaseUnavailable
from app.models import Prediction
from tests.support.hanging_writes import Hanging, occupy
from tests.support.predictions import add_prediction, count_predictions


def add(confidence: float = 0.5) -> Callable[[Session], int]:
    def work(session: Session) -> int:
        prediction = Prediction(prediction="7", confidence=confidence, model_version="v1")
        session.add(prediction)
        session.flush()
        return prediction.id

    return work


def test_each_write_has_its_own_transaction_and_session(database: Database) -> None:
    sessions: list[Session] = []
    commits: list[int] = []

    def work(session: Session) -> None:
        sessions.append(session)
        add()(session)

    async def scenario() -> None:
        await asyncio.gather(*[database.write(work) for _ in range(5)])

    event.listen(database.engine, "commit", lambda _connection: commits.append(1))
    asyncio.run(scenario())
    assert len({id(session) for session in sessions}) == 5
    assert len(commits) == 5


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
        return await database.read(count_predictions) - len(busy)

    assert asyncio.run(scenario()) == 1


@pytest.mark.parametrize("position", [0, 3, 6])
def test_failing_write_stores_nothing_and_fails_no_other(database: Database, position: int) -> None:
    def fail(session: Session) -> None:
        add()(session)
        raise LookupError("not this one")

    async def scenario() -> tuple[list[object], int]:
        works: list[Callable[[Session], object]] = [add() for _ in range(6)]
        works.insert(position, fail)
        outcomes = await asyncio.gather(*[database.write(work) for work in works], return_exceptions=True)
        return outcomes, await database.read(count_predictions)

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
        return outcomes, await database.read(count_predictions)

    outcomes, rows = asyncio.run(scenario())
    assert isinstance(outcomes.pop(position), DatabaseUnavailable)
    assert all(isinstance(outcome, int) for outcome in outcomes)
    assert rows == 6


def dangling(session: Session) -> None:
    """Insert a row with a missing parent, so that the commit itself fails."""
    session.execute(text("PRAGMA defer_foreign_keys = ON"))
    session.execute(text("INSERT INTO drawings (prediction_id, pixels, scores) VALUES (999, zeroblob(784), '[]')"))


def test_failed_commit_fails_its_write_only(sqlite_database: Database) -> None:
    async def scenario() -> list[object]:
        works = (add(), dangling, dangling, add())
        return await asyncio.gather(*[sqlite_database.write(work) for work in works], return_exceptions=True)

    first, *failed, last = asyncio.run(scenario())
    assert (first, last) == (1, 2)
    assert {type(outcome) for outcome in failed} == {DatabaseUnavailable}
    assert asyncio.run(sqlite_database.read(count_predictions)) == 2


def test_two_event_loops_in_two_threads_are_both_answered(database: Database) -> None:
    ids: list[int] = []

    async def scenario() -> None:
        ids.extend(await asyncio.gather(*[database.write(add_prediction) for _ in range(50)]))

    threads = [threading.Thread(target=asyncio.run, args=(scenario(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(set(ids)) == 100
