"""The random share of the review queue: its size, and that it is unbiased."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from random import Random

import numpy as np
import pytest
import scipy
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.analysis.intervals import wilson_interval
from app.database import Database
from app.models import Label, Review
from app.repository.review import sample_drawings
from app.schemas.review import ReviewPage, ReviewQuery
from app.services.audit import Actor
from app.services.prune import PruneQuery, prune
from app.services.review import offer
from tests.support.pools import pending_writes
from tests.support.review_rows import LONG_AGO, add_drawings, add_labels, ids, page, reviews
from tests.support.service import execute, rows
from tests.support.stored_rows import drawing_of

FAR = 2**31 - 1


@pytest.fixture
def database(database: Database) -> Database:
    """A database whose writes may take long: here one write chooses hundreds of pages."""
    pending_writes(database).timeout_s = 100.0
    return database


@pytest.mark.slow
def test_one_in_five_is_random_for_every_page_length(database: Database, database_url: str) -> None:
    add_drawings(database_url, {id_: id_ / 1000 for id_ in range(1, 1001)})
    random = Random(7)

    def pages(session: Session) -> dict[int, list[int]]:
        def count_random(limit: int) -> int:
            results = offer(session, ReviewQuery(limit=limit), random).results
            assert len(results) == limit
            return sum(item.reason == "random" for item in results)

        return {limit: [count_random(limit) for _ in range(calls)] for limit, calls in ((1, 200), (7, 50), (10, 5))}

    found = asyncio.run(database.write(pages))
    # Within two and a half standard deviations of 20 %.
    assert 26 <= sum(found[1]) <= 54
    assert set(found[7]) == {1, 2}
    assert 62 <= sum(found[7]) <= 78
    assert found[10] == [2] * 5


WRONG = 0.1


def population(count: int, seed: int) -> tuple[dict[int, float | None], dict[int, str], dict[int, str]]:
    """Margins, true digits of a model that always says 7, and labels given before any review."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(count) < WRONG
    # Wrong answers have smaller margins, and most are corrected by their user.
    margin = np.where(wrong, rng.beta(1, 3, count), rng.beta(5, 1, count))
    corrected = wrong & (rng.random(count) < 0.7)
    everybody = range(1, count + 1)
    truth = {id_: "1" if wrong[id_ - 1] else "7" for id_ in everybody}
    labels = {id_: "1" for id_ in everybody if corrected[id_ - 1]}
    return dict(zip(everybody, margin.tolist(), strict=True)), truth, labels


def review_and_label(session: Session, truth: dict[int, str], calls: int) -> list[bool]:
    """Label the drawings of `calls` pages; return for each sample whether 7 is right."""
    random = Random(11)
    for _ in range(calls):
        offered = offer(session, ReviewQuery(limit=10), random).results
        labels = [{"prediction_id": item.id, "label": truth[item.id], "source": "anna"} for item in offered]
        session.execute(sa.insert(Label), labels)
    drawn = sa.select(Label.label).join(Review, Review.prediction_id == Label.prediction_id).where(Review.sampled)
    return [label == "7" for label in session.scalars(drawn)]


@pytest.mark.slow
def test_accuracy_is_unbiased_on_random_samples_only(database: Database, database_url: str) -> None:
    margins, truth, corrected = population(1500, seed=3)
    add_drawings(database_url, margins)
    add_labels(database_url, corrected)
    drawn = asyncio.run(database.write(lambda session: review_and_label(session, truth, calls=100)))
    everything = [row["label"] == "7" for row in rows(database_url, "SELECT label FROM labels")]
    right = sum(shown == "7" for shown in truth.values()) / len(truth)
    assert len(drawn) > 200
    low, high = wilson_interval(sum(drawn), len(drawn)) or (0, 0)
    assert low < right < high
    low, high = wilson_interval(sum(everything), len(everything)) or (0, 0)
    assert not low < right < high
    # Samples of the unlabelled drawings alone would be biased upwards.
    unlabelled = [shown == "7" for id_, shown in truth.items() if id_ not in corrected]
    assert sum(unlabelled) / len(unlabelled) > (wilson_interval(sum(drawn), len(drawn)) or (0, 0))[1]


@pytest.mark.slow
def test_accuracy_of_the_random_samples_is_unbiased_after_prune(database: Database, database_url: str) -> None:
    margins, truth, corrected = population(2800, seed=5)
    old, new = range(1, 2001), range(2001, 2801)
    add_drawings(database_url, {id_: margins[id_] for id_ in old})
    add_labels(database_url, {id_: label for id_, label in corrected.items() if id_ in old})
    execute(database_url, f"UPDATE predictions SET created_at = '{LONG_AGO}'")
    actor = Actor("a test", None)
    pruned = prune(database, PruneQuery(datetime.now(UTC)), actor, dry_run=False, progress=lambda *_: None)
    assert pruned.labelled_kept > 100
    add_drawings(database_url, {id_: margins[id_] for id_ in new})
    add_labels(database_url, {id_: label for id_, label in corrected.items() if id_ in new})
    drawn = asyncio.run(database.write(lambda session: review_and_label(session, truth, calls=60)))
    assert min(id_ for id_, (sampled, *_) in reviews(database_url).items() if sampled) > old[-1]
    right = sum(truth[id_] == "7" for id_ in new) / len(new)
    low, high = wilson_interval(sum(drawn), len(drawn)) or (0, 0)
    assert low < right < high


@pytest.mark.slow
def test_drawing_sent_a_thousand_times_has_its_share_of_the_samples(database: Database, database_url: str) -> None:
    flood = dict.fromkeys(range(1, 451), "1")
    truth = {**flood, **dict.fromkeys(range(451, 501), "7")}
    add_drawings(database_url, dict.fromkeys(truth, 0.5), dict.fromkeys(flood, drawing_of(1)["pixels"]))
    drawn = asyncio.run(database.write(lambda session: review_and_label(session, truth, calls=60)))
    assert len(drawn) > 48
    low, high = wilson_interval(sum(drawn), len(drawn)) or (0, 0)
    assert low < 0.1 < high < 0.3
    waiting = "SELECT 1 FROM reviews WHERE sampled AND prediction_id NOT IN (SELECT prediction_id FROM labels)"
    assert len(rows(database_url, waiting)) < 5


@pytest.mark.parametrize(
    "there",
    [
        pytest.param([*range(1, 31), *range(131, 161)], id="a gap"),
        pytest.param([*range(1, 21), *range(FAR - 20, FAR)], id="hardly anything but gaps"),
    ],
)
def test_every_drawing_is_equally_likely_with_gaps_in_the_ids(
    database: Database, database_url: str, there: list[int]
) -> None:
    add_drawings(database_url, dict.fromkeys(there, 0.5))
    sampled = there[5:10]
    execute(database_url, *(f"INSERT INTO reviews (prediction_id, sampled) VALUES ({id_}, true)" for id_ in sampled))
    random = Random(5)

    def draws(session: Session) -> list[list[int]]:
        return [[row.id for row in islice(sample_drawings(session, random), 3)] for _ in range(120)]

    drawn = asyncio.run(database.write(draws))
    assert all(len(set(three)) == 3 for three in drawn)
    counts = Counter(id_ for three in drawn for id_ in three)
    assert set(counts) == set(there) - set(sampled)
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


def test_sampling_ends_when_all_drawings_were_sampled(database: Database, database_url: str) -> None:
    there = [*range(1, 41), 5000, FAR]
    add_drawings(database_url, dict.fromkeys(there[:-2], 0.5))

    def drawn(session: Session) -> list[int]:
        return [row.id for row in sample_drawings(session, Random(1))]

    assert asyncio.run(database.write(drawn)) != there[:-2]
    assert sorted(asyncio.run(database.write(drawn))) == there[:-2]
    execute(database_url, "INSERT INTO reviews (prediction_id, sampled) SELECT prediction_id, true FROM drawings")
    assert asyncio.run(database.write(drawn)) == []
    add_drawings(database_url, dict.fromkeys(there[-2:], 0.5))
    assert sorted(asyncio.run(database.write(drawn))) == there[-2:]


def test_labelled_drawings_are_sampled_but_not_offered(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, dict.fromkeys(range(1, 7), 0.5))
    add_labels(database_url, dict.fromkeys(range(2, 7), "7"))
    assert ids(page(client)) == [1]
    assert reviews(database_url) == {1: (True, None, True), **dict.fromkeys(range(2, 7), (True, None, False))}


@pytest.mark.parametrize("survivors", [1, 99, 100, 101, 350])
def test_drawings_that_prune_left_are_not_sampled(database: Database, database_url: str, survivors: int) -> None:
    pruned = [20 * number for number in range(1, survivors + 1)]
    # The first one without a label is the third.
    there = list(range(pruned[-1] + 1, pruned[-1] + 61))
    add_drawings(database_url, dict.fromkeys((*pruned, *there), 0.5))
    add_labels(database_url, dict.fromkeys((*pruned, *there[:2], *there[10:20]), "1"))

    def drawn(session: Session) -> set[int]:
        return {row.id for seed in range(30) for row in islice(sample_drawings(session, Random(seed)), 20)}

    assert asyncio.run(database.write(drawn)) == set(there[2:])


def test_nothing_is_sampled_while_prune_has_left_labelled_drawings_only(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, dict.fromkeys(range(10, 2000, 10), 0.5))
    add_labels(database_url, dict.fromkeys(range(10, 2000, 10), "1"))
    assert page(client) == []
    assert reviews(database_url) == {}


def test_reserved_drawing_can_be_sampled_and_stays_reserved(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, {1: 0.5})
    execute(database_url, "INSERT INTO reviews VALUES (1, false, 'anna', CURRENT_TIMESTAMP)")
    assert page(client, limit=5, reviewer="bob") == []
    assert reviews(database_url) == {1: (True, "anna", True)}
    assert [(item["id"], item["reason"]) for item in page(client, reviewer="anna")] == [(1, "random")]


def test_unlabelled_samples_are_offered_again_before_new_ones(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, {id_: id_ / 100 for id_ in range(1, 101)})
    execute(
        database_url,
        f"INSERT INTO reviews VALUES (50, true, 'anna', '{LONG_AGO}')",
        f"INSERT INTO reviews VALUES (60, true, 'anna', '{LONG_AGO}')",
        f"INSERT INTO reviews VALUES (70, true, 'anna', '{LONG_AGO}')",
        "INSERT INTO reviews VALUES (80, true, NULL, NULL)",
    )
    add_labels(database_url, {60: "7"})
    again = page(client)
    assert [(item["id"], item["reason"]) for item in again[:2]] == [(80, "random"), (50, "random")]
    assert sum(state[0] for state in reviews(database_url).values()) == 4
    assert ids(page(client))[0] == 70
    assert sum(state[0] for state in reviews(database_url).values()) > 4


def test_sample_that_duplicates_a_drawing_of_the_page_waits(client: TestClient, database_url: str) -> None:
    same = drawing_of(1)["pixels"]
    add_drawings(database_url, {1: 0.5, 2: 0.5}, {1: same, 2: same})
    # Two random ones are wanted, so both are sampled.
    (first,) = page(client)
    other = 3 - first["id"]
    assert reviews(database_url) == {first["id"]: (True, None, True), other: (True, None, False)}
    (second,) = page(client)
    assert (second["id"], second["reason"]) == (other, "random")


def offered(url: str, calls: int, limit: int) -> list[int]:
    """The page that another process gets."""
    database = Database(url)

    def choose(session: Session) -> ReviewPage:
        return offer(session, ReviewQuery(limit=limit))

    try:
        return [item.id for _ in range(calls) for item in asyncio.run(database.write(choose)).results]
    finally:
        database.close()


def test_concurrent_callers_get_different_drawings(database: Database, database_url: str) -> None:
    add_drawings(database_url, {id_: id_ / 500 for id_ in range(1, 301)})
    url = database_url.replace("postgresql://", "postgresql+psycopg://")

    async def everybody() -> list[list[int]]:
        return await asyncio.gather(*(asyncio.to_thread(offered, url, 10, 5) for _ in range(4)))

    pages = asyncio.run(everybody())
    assert [len(found) for found in pages] == [50] * 4
    assert len(set().union(*pages)) == 200
    stored = asyncio.run(database.read(lambda session: session.scalars(sa.select(Review.prediction_id)).all()))
    assert set(stored) >= set().union(*pages)


def test_waiting_sample_is_not_replaced(client: TestClient, database_url: str) -> None:
    add_drawings(database_url, {id_: id_ / 40 for id_ in range(1, 41)}, dict.fromkeys((1, 2, 3), bytes(784)))
    execute(database_url, "INSERT INTO reviews (prediction_id, sampled) VALUES (1, true), (2, true), (3, true)")
    assert ids(page(client)) == [1, *range(4, 13)]
    assert {id_ for id_, state in reviews(database_url).items() if state[0]} == {1, 2, 3}


WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def test_drawing_that_is_being_deleted_is_not_offered(postgres_url: str) -> None:
    add_drawings(postgres_url, {1: 0.1, 2: 0.2})
    url = postgres_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url)

    async def meanwhile() -> list[int]:
        with engine.connect() as connection, connection.begin():
            connection.execute(sa.text("DELETE FROM predictions WHERE id = 1"))
            call = asyncio.create_task(asyncio.to_thread(offered, url, 1, 10))
            # On another connection: within a transaction the result does not change.
            while not rows(postgres_url, WAITING):
                assert not call.done()
                await asyncio.sleep(0.01)
        return await call

    assert asyncio.run(meanwhile()) == [2]
    engine.dispose()
    assert reviews(postgres_url) == {2: (True, None, True)}
