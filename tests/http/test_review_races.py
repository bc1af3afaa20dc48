"""GET /review while others reserve or label the chosen drawings."""

import asyncio

import pytest

from app.database import Database
from app.database.errors import DatabaseBusy
from app.schemas.review import ReviewPage, ReviewQuery
from app.services.audit import Actor
from app.services.review import MAX_CHOICES, ChoiceChanged, choose, offer, offer_page, reserve
from tests.support.review_rows import add_drawings, add_labels, reviews
from tests.support.sql_statements import Statement, before_each


def test_drawing_that_another_process_takes_in_between_is_not_offered_twice(
    database: Database, database_url: str
) -> None:
    add_drawings(database_url, {id_: id_ / 1000 for id_ in range(1, 11)})

    async def scenario() -> ReviewPage:
        choice = await database.scan(lambda session: choose(session, ReviewQuery(limit=5)))
        await database.write(lambda session: offer(session, ReviewQuery(limit=5, reviewer="anna")))
        with pytest.raises(ChoiceChanged):
            await database.write(lambda session: reserve(session, ReviewQuery(limit=5), choice))
        return await offer_page(database, ReviewQuery(limit=5), Actor("anna", None))

    page = asyncio.run(scenario())
    offered = {item.id for item in page.results}
    taken = {id_ for id_, (_, reviewer, _) in reviews(database_url).items() if reviewer == "anna"}
    assert len(offered) == 5
    assert not offered & taken


def offered_while_others_label(database_url: str, limit: int, most: int) -> tuple[set[int], set[int]]:
    """One page of the queue, and the ids of which others label at most so many each time before they are locked."""
    labelled: set[int] = set()

    def label_some(statement: Statement) -> None:
        if "FOR SHARE" in statement.text:
            chosen = sorted({*statement.values.values()} - labelled)[:most]
            add_labels(database_url, dict.fromkeys(chosen, "1"))
            labelled.update(chosen)

    database = Database(database_url.replace("postgresql://", "postgresql+psycopg://"))
    database.open()
    try:
        with before_each(label_some):
            page = asyncio.run(offer_page(database, ReviewQuery(limit=limit), Actor("anna", None)))
    finally:
        database.close()
    return {item.id for item in page.results}, labelled


def test_page_leaves_out_what_others_label_at_each_try(postgres_url: str) -> None:
    add_drawings(postgres_url, {id_: id_ / 1000 for id_ in range(1, 21)})
    offered, labelled = offered_while_others_label(postgres_url, limit=20, most=1)
    assert len(labelled) == MAX_CHOICES + 1
    assert offered == set(range(1, 21)) - labelled


def test_queue_is_busy_rather_than_empty_if_others_label_all_chosen_drawings(postgres_url: str) -> None:
    add_drawings(postgres_url, {id_: id_ / 1000 for id_ in range(1, 101)})
    with pytest.raises(DatabaseBusy):
        offered_while_others_label(postgres_url, limit=3, most=100)
    assert reviews(postgres_url) == {}


def test_sample_that_is_labelled_meanwhile_is_left_out_but_counts(database: Database, database_url: str) -> None:
    add_drawings(database_url, {id_: id_ / 1000 for id_ in range(1, 31)})
    query = ReviewQuery(limit=10)
    choice = asyncio.run(database.scan(lambda session: choose(session, query)))
    add_labels(database_url, dict.fromkeys(choice.samples, "1"))
    page = asyncio.run(database.write(lambda session: reserve(session, query, choice, drop_changed=True)))
    assert [item.id for item in page.results] == [row.id for row in choice.page if row.id not in choice.samples]
    assert {id_ for id_, (sampled, _, _) in reviews(database_url).items() if sampled} == choice.samples.keys()
