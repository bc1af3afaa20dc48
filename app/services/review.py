"""The review queue: doubtful drawings, and random samples for an unbiased accuracy."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random, SystemRandom
from typing import Any, Final, NamedTuple

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.database import Database
from app.database.errors import DatabaseBusy
from app.drawings.similarity import DistinctDrawings
from app.repository import review as repository
from app.schemas.audit import Action
from app.schemas.review import Reason, ReviewItem, ReviewPage, ReviewQuery
from app.services.audit import Actor, record
from app.services.scores import scores_of

RESERVED_FOR: Final = timedelta(minutes=10)

RANDOM_ONE_IN: Final = 5

# Other processes may reserve the same drawings.
MAX_CHOICES: Final = 3

_RANDOM: Final = SystemRandom()


class _Page:
    """Chosen drawings, no two nearly identical."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rows: dict[int, Row[Any]] = {}
        self._distinct = DistinctDrawings()

    @property
    def free(self) -> int:
        return self.limit - len(self.rows)

    def add(self, row: Row[Any]) -> bool:
        if added := self._distinct.add(row.pixels):
            self.rows[row.id] = row
        return added

    def fill(self, rows: Iterator[Row[Any]], leaving: int = 0) -> int:
        """Add drawings until `leaving` places are free; return how many were duplicates."""
        refused = 0
        while self.free > leaving and (row := next(rows, None)) is not None:
            refused += not self.add(row)
        return refused


class ChoiceChanged(Exception):
    """Others reserved, sampled or labelled some of the chosen drawings."""


class Choice(NamedTuple):
    """The drawings of a page, and new random samples; some are both."""

    page: list[Row[Any]]
    samples: dict[int, Row[Any]]

    @property
    def rows(self) -> list[Row[Any]]:
        return [*self.page, *self.samples.values()]


async def offer_page(database: Database, query: ReviewQuery, actor: Actor) -> ReviewPage:
    """Choose drawings without holding the write lock, and reserve them."""
    for _ in range(MAX_CHOICES):
        choice = await database.scan(lambda session: choose(session, query))
        with suppress(ChoiceChanged):
            return await database.write(partial(_recorded, actor, partial(reserve, query=query, choice=choice)))
    return await database.write(partial(_recorded, actor, partial(offer, query=query)))


def _recorded(actor: Actor, work: Callable[[Session], ReviewPage], session: Session) -> ReviewPage:
    page = work(session)
    if page.results:
        ids = ", ".join(str(item.id) for item in page.results)
        record(session, actor, Action.REVIEW, f"predictions {ids}")
    return page


def offer(session: Session, query: ReviewQuery, random: Random = _RANDOM) -> ReviewPage:
    """Choose and reserve drawings in one transaction; raise DatabaseBusy."""
    repository.lock_queue(session)
    choice = choose(session, query, random)
    page = reserve(session, query, choice, drop_changed=True)
    if choice.page and not page.results:
        raise DatabaseBusy("others label the chosen drawings")
    return page


def choose(session: Session, query: ReviewQuery, random: Random = _RANDOM) -> Choice:
    """Choose unlabelled drawings: reserved ones first; of the rest, one in RANDOM_ONE_IN is a random sample.

    The queue of non-digits has no random samples.
    """
    reserved_since = datetime.now(UTC) - RESERVED_FOR
    page, digits = _Page(query.limit), query.queue != "not_a_digit"
    if query.reviewer is not None:
        page.fill(repository.iterate_reserved(session, query.reviewer, reserved_since, digits=digits))
    if not digits:
        page.fill(repository.iterate_not_digits(session, reserved_since))
        return Choice(list(page.rows.values()), {})
    samples = _add_random(session, page, reserved_since, random)
    page.fill(repository.iterate_by_margin(session, reserved_since))
    return Choice(list(page.rows.values()), samples)


def reserve(session: Session, query: ReviewQuery, choice: Choice, *, drop_changed: bool = False) -> ReviewPage:
    """Reserve the existing drawings; drop those that others changed, or raise ChoiceChanged."""
    repository.lock_queue(session)
    now = datetime.now(UTC)
    existing = repository.lock_predictions(session, {row.id for row in choice.rows})
    now_states = repository.find_states(session, existing)
    changed = {row.id for row in choice.rows if now_states.get(row.id) != repository.state_of(row)} & existing
    if changed and not drop_changed:
        raise ChoiceChanged
    offered = [row for row in choice.page if row.id in existing - changed]
    shown, samples = {row.id for row in offered}, choice.samples
    sampled = {row.id for row in offered if row.sampled} | samples.keys()
    unshown = [row for id_, row in samples.items() if id_ in existing and id_ not in shown]
    repository.save_reviews(
        session,
        [_review(row.id, row.id in sampled, query.reviewer, now) for row in offered]
        + [_review(row.id, True, row.reviewer, row.offered_at) for row in unshown],
    )
    items = [_item(row, _reason(query, is_sample=row.id in sampled)) for row in offered]
    return ReviewPage(results=items, reserved_until=now + RESERVED_FOR)


def _add_random(session: Session, page: _Page, reserved_since: datetime, random: Random) -> dict[int, Row[Any]]:
    """Fill the random share of a page; return the new samples.

    They measure the accuracy, so only chance may select them:

    - Unlabelled earlier samples come first, or difficult drawings would be missing.
    - A labelled drawing counts, too; the page gets another one.
    - One that resembles another is not replaced, or rare drawings would be favoured.
    """
    whole, rest = divmod(page.free, RANDOM_ONE_IN)
    leaving = page.free - whole - (random.randrange(RANDOM_ONE_IN) < rest)
    duplicates = page.fill(repository.iterate_sampled(session, reserved_since), leaving)
    samples: dict[int, Row[Any]] = {}
    draws = repository.sample_drawings(session, random)
    while page.free > leaving + duplicates and (row := next(draws, None)) is not None:
        samples[row.id] = row
        if not row.labelled and (row.offered_at is None or row.offered_at <= reserved_since):
            duplicates += not page.add(row)
    return samples


def _review(prediction_id: int, sampled: bool, reviewer: str | None, offered_at: datetime | None) -> dict[str, Any]:
    return {"prediction_id": prediction_id, "sampled": sampled, "reviewer": reviewer, "offered_at": offered_at}


def _reason(query: ReviewQuery, *, is_sample: bool) -> Reason:
    if query.queue == "not_a_digit":
        return "not a digit"
    return "random" if is_sample else "smallest margin"


def _item(row: Row[Any], reason: Reason) -> ReviewItem:
    return ReviewItem(
        id=row.id,
        prediction=row.prediction,
        confidence=row.confidence,
        not_a_digit=row.not_a_digit,
        margin=row.margin if isinstance(row.margin, float) else None,
        scores=scores_of(row.scores),
        model_version=row.model_version,
        created_at=row.created_at,
        drawing=f"/results/{row.id}/drawing.png",
        reason=reason,
    )
