"""Dynamic batching: what the items of a batch share, and what they do not."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.database import Database
from app.database.batcher import MAX_ITEMS, Batcher
from app.database.errors import DatabaseBusy, DatabaseUnavailable, OutcomeUnknown
from app.models import Prediction
from tests.support.hanging_writes import Hanging, occupy
from tests.support.pools import pending_writes
from tests.support.predictions import add_prediction, count_predictions
from tests.support.service import connected
from tests.support.waiting import wait_until

REFUSED = 2.0
"""A confidence that the table refuses."""


def store(confidences: Sequence[float]) -> Callable[[Session], list[int | Exception]]:
    """Return the work that adds a prediction for each confidence, and an error in the place of negative ones."""

    def work(session: Session) -> list[int | Exception]:
        rows = [Prediction(prediction="7", confidence=one, model_version="v1") for one in confidences if one >= 0]
        session.add_all(rows)
        session.flush()
        ids = iter(row.id for row in rows)
        return [next(ids) if one >= 0 else LookupError(f"not {one}") for one in confidences]

    return work


def count_commits(database: Database) -> list[int]:
    commits: list[int] = []
    event.listen(database.engine, "commit", lambda _connection: commits.append(1))
    return commits


async def write_all(batcher: Batcher[float, int], confidences: Sequence[float]) -> list[int | BaseException]:
    return await asyncio.gather(*[batcher.write(one) for one in confidences], return_exceptions=True)


def test_items_of_one_round_share_a_commit_and_get_their_own_results(database: Database) -> None:
    commits = count_commits(database)
    ids = asyncio.run(write_all(database.batcher(store), [0.5] * 40))
    assert len(set(ids)) == 40
    assert len(commits) == 1


def test_items_beyond_one_batch_follow_in_the_next(database: Database) -> None:
    commits = count_commits(database)
    ids = asyncio.run(write_all(database.batcher(store), [0.5] * (2 * MAX_ITEMS + 1)))
    assert len(set(ids)) == 2 * MAX_ITEMS + 1
    assert len(commits) == 3


def test_items_that_arrive_during_a_commit_share_the_next(sqlite_database: Database) -> None:
    hanging = Hanging()
    batcher = sqlite_database.batcher(store)

    async def scenario() -> list[int]:
        under_way = await occupy(sqlite_database, hanging)
        waiting = []
        for _ in range(5):
            waiting.append(asyncio.create_task(batcher.write(0.5)))
            await asyncio.sleep(0.01)
        hanging.release()
        await asyncio.gather(*under_way)
        return await asyncio.gather(*waiting)

    commits = count_commits(sqlite_database)
    assert len(set(asyncio.run(scenario()))) == 5
    assert len(commits) == 2


def test_other_writes_take_turns_with_batches(sqlite_database: Database) -> None:
    order: list[str] = []
    batcher = sqlite_database.batcher(store)

    async def one(confidence: float) -> None:
        await batcher.write(confidence)
        order.append("item")

    async def scenario() -> None:
        items = [asyncio.create_task(one(0.5)) for _ in range(2 * MAX_ITEMS)]
        await asyncio.sleep(0)
        await sqlite_database.write(add_prediction)
        order.append("other")
        await asyncio.gather(*items)

    asyncio.run(scenario())
    assert order.index("other") <= MAX_ITEMS


@pytest.mark.parametrize("position", [0, 3, 6])
def test_item_with_an_error_of_its_own_fails_no_other(database: Database, position: int) -> None:
    confidences = [0.5] * 6
    confidences.insert(position, -1)
    outcomes = asyncio.run(write_all(database.batcher(store), confidences))
    assert isinstance(outcomes.pop(position), LookupError)
    assert len({outcome for outcome in outcomes if isinstance(outcome, int)}) == 6
    assert asyncio.run(database.read(count_predictions)) == 6


def test_error_of_the_database_fails_the_batch_and_the_next_one_is_stored(database: Database) -> None:
    batcher = database.batcher(store)

    async def scenario() -> list[int | BaseException]:
        failed = await write_all(batcher, [0.5, REFUSED, 0.5])
        return [*failed, await batcher.write(0.5)]

    *failed, stored = asyncio.run(scenario())
    assert [type(outcome) for outcome in failed] == [DatabaseUnavailable] * 3
    assert isinstance(stored, int)
    assert asyncio.run(database.read(count_predictions)) == 1


def test_failed_commit_fails_the_batch_and_is_not_retried(sqlite_database: Database) -> None:
    runs: list[int] = []

    def store_dangling(items: Sequence[float]) -> Callable[[Session], list[int | Exception]]:
        def work(session: Session) -> list[int | Exception]:
            runs.append(len(items))
            session.execute(text("PRAGMA defer_foreign_keys = ON"))
            session.execute(
                text("INSERT INTO drawings (prediction_id, pixels, scores) VALUES (999, zeroblob(784), '[]')")
            )
            return store(items)(session)

        return work

    outcomes = asyncio.run(write_all(sqlite_database.batcher(store_dangling), [0.5] * 3))
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 3
    assert runs == [3]
    assert asyncio.run(sqlite_database.read(count_predictions)) == 0


def test_exception_before_the_transaction_fails_the_batch(database: Database) -> None:
    def prepare(_items: Sequence[float]) -> Callable[[Session], list[int | Exception]]:
        raise RuntimeError("no model")

    outcomes = asyncio.run(write_all(database.batcher(prepare), [0.5] * 3))
    assert [str(outcome) for outcome in outcomes] == ["no model"] * 3


def test_item_whose_caller_is_gone_is_not_stored(database: Database) -> None:
    hanging = Hanging()
    batcher = database.batcher(store)

    async def scenario() -> int:
        busy = await occupy(database, hanging)
        gone, stays = (asyncio.create_task(batcher.write(0.5)) for _ in range(2))
        await asyncio.sleep(0.05)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        hanging.release()
        await asyncio.gather(*busy, stays)
        return await database.read(count_predictions) - len(busy)

    assert asyncio.run(scenario()) == 1


@pytest.mark.parametrize("late_one", [0, 1])
def test_item_that_times_out_before_the_commit_is_not_stored_and_fails_no_other(
    database: Database, late_one: int
) -> None:
    hanging = Hanging()
    pending = pending_writes(database)

    def store_slowly(confidences: Sequence[float]) -> Callable[[Session], list[int | Exception]]:
        def work(session: Session) -> list[int | Exception]:
            outcomes = store(confidences)(session)
            hanging.wait()
            return outcomes

        return work

    batcher = database.batcher(store_slowly)

    async def write(timeout_s: float) -> int:
        pending.timeout_s = timeout_s
        return await batcher.write(0.5)

    async def scenario() -> int:
        tasks = [asyncio.create_task(write(0.5 if number == late_one else 30.0)) for number in range(2)]
        late, in_time = tasks[late_one], tasks[1 - late_one]
        with pytest.raises(DatabaseUnavailable, match="does not answer"):
            await late
        hanging.release()
        return await in_time

    assert asyncio.run(scenario()) > 0
    assert asyncio.run(database.read(count_predictions)) == 1


def test_timeout_during_the_commit_reports_unknown_outcome(database: Database) -> None:
    hanging = Hanging()
    event.listen(database.engine, "commit", hanging.wait)
    pending_writes(database).timeout_s = 0.5

    async def scenario() -> list[int | BaseException]:
        outcomes = await write_all(database.batcher(store), [0.5] * 3)
        hanging.release()
        return outcomes

    assert [type(outcome) for outcome in asyncio.run(scenario())] == [OutcomeUnknown] * 3
    database.close()
    # This time they were stored.
    assert asyncio.run(database.read(count_predictions)) == 3


@pytest.mark.parametrize("is_gone", [True, False])
def test_stored_items_are_noted_though_no_caller_waits(database: Database, is_gone: bool) -> None:
    hanging, noted = Hanging(), list[int]()
    event.listen(database.engine, "commit", hanging.wait)
    pending_writes(database).timeout_s = 30.0 if is_gone else 0.5
    batcher = database.batcher(store, noted.append)

    async def scenario() -> None:
        tasks = [asyncio.create_task(batcher.write(confidence)) for confidence in (0.5, -1.0, 0.6)]
        assert await asyncio.to_thread(hanging.begun.acquire, timeout=30)
        if is_gone:
            for task in tasks:
                task.cancel()
        await asyncio.wait(tasks)
        hanging.release()
        await asyncio.to_thread(wait_until, lambda: len(noted) == 2, "what was stored is noted")

    asyncio.run(scenario())
    assert len(noted) == 2


def test_held_lock_is_reported_to_the_whole_batch(sqlite_database: Database, sqlite_url: str) -> None:
    with connected(sqlite_url) as other:
        other.execute(text("BEGIN IMMEDIATE"))
        outcomes = asyncio.run(write_all(sqlite_database.batcher(store), [0.5] * 3))
    assert {(type(outcome), str(outcome)) for outcome in outcomes} == {(DatabaseBusy, "database is locked")}


def test_closing_stores_what_waits(database: Database) -> None:
    hanging = Hanging()
    batcher = database.batcher(store)

    async def scenario() -> list[int]:
        busy = await occupy(database, hanging)
        waiting = [asyncio.create_task(batcher.write(0.5)) for _ in range(2 * MAX_ITEMS)]
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(asyncio.to_thread(database.close))
        await asyncio.sleep(0.05)
        hanging.release()
        await closing
        await asyncio.gather(*busy)
        return await asyncio.gather(*waiting)

    assert len(set(asyncio.run(scenario()))) == 2 * MAX_ITEMS


def test_two_event_loops_in_two_threads_are_both_answered(database: Database) -> None:
    batcher = database.batcher(store)
    ids: list[int | BaseException] = []

    def run() -> None:
        for _ in range(10):
            ids.extend(asyncio.run(write_all(batcher, [0.5] * 10)))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(set(ids)) == 200
