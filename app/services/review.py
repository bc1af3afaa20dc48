"""The review queue: what is offered to whom, so that people's looks are worth the most and accuracy stays unbiased."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random, SystemRandom
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.drawings.shape import by_digit
from app.drawings.similarity import DistinctDrawings
from app.repository import review as repository
from app.schemas.review import ReviewItem, ReviewPage, ReviewQuery

RESERVED_FOR: Final = timedelta(minutes=10)
"""So long an offered drawing is offered to nobody else."""

RANDOM_ONE_IN: Final = 5
"""One in so many of the drawings that are offered is drawn at random: 20 %."""

_RANDOM: Final = SystemRandom()


class _Page:
    """The drawings chosen so far, no two of them nearly identical."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rows: dict[int, Row[Any]] = {}
        self._distinct = DistinctDrawings()

    @property
    def free(self) -> int:
        return self.limit - len(self.rows)

    def add(self, row: Row[Any]) -> bool:
        """Add a drawing, unless it is nearly identical to one that is there; return whether it was."""
        if added := self._distinct.add(row.pixels):
            self.rows[row.id] = row
        return added

    def fill(self, rows: Iterator[Row[Any]], leaving: int = 0) -> int:
        """Add drawings until only so much free is left; none is fetched in vain. Return how many were not added."""
        refused = 0
        while self.free > leaving and (row := next(rows, None)) is not None:
            refused += not self.add(row)
        return refused


def offer(session: Session, query: ReviewQuery, random: Random = _RANDOM) -> ReviewPage:
    """Choose unlabelled drawings for one person to label, and reserve them.

    A reviewer who is named gets the own reserved ones again, and for what free is left: one in `RANDOM_ONE_IN` drawn at
    random from all drawings, the others those of the smallest margin. A page is shorter when there are no more, or
    none but what is nearly identical to one on it.
    """
    repository.lock_queue(session)
    now = datetime.now(UTC)
    since = now - RESERVED_FOR
    page = _Page(query.limit)
    if query.reviewer is not None:
        page.fill(repository.iterate_reserved(session, query.reviewer, since))
    drawn = _add_random(session, page, since, random)
    page.fill(repository.iterate_by_margin(session, since))

    existing = repository.lock_predictions(session, {*page.rows, *drawn})
    offered = [row for id_, row in page.rows.items() if id_ in existing]
    sampled = {row.id for row in offered if row.sampled} | drawn.keys()
    unshown = [row for id_, row in drawn.items() if id_ in existing and id_ not in page.rows]
    repository.save_reviews(
        session,
        [_review(row.id, row.id in sampled, query.reviewer, now) for row in offered]
        + [_review(row.id, True, row.reviewer, row.offered_at) for row in unshown],
    )
    return ReviewPage(results=[_item(row, row.id in sampled) for row in offered], reserved_until=now + RESERVED_FOR)


def _add_random(session: Session, page: _Page, since: datetime, random: Random) -> dict[int, Row[Any]]:
    """Fill the random share of a page; return all that was drawn for it.

    The share measures how often the model is right, so nothing may choose among what is drawn. People label what they
    see is wrong, so a drawing with a label is counted like any other, and only then another one is drawn for the page.
    What was drawn before and got no label comes first, for else those that are hard to label would be missing. And for
    what has to wait, being nearly identical to one on the page, no other is drawn, for else the rare would be favoured.
    """
    whole, rest = divmod(page.free, RANDOM_ONE_IN)
    leaving = page.free - whole - (random.randrange(RANDOM_ONE_IN) < rest)
    put_off = page.fill(repository.iterate_sampled(session, since), leaving)
    drawn: dict[int, Row[Any]] = {}
    draws = repository.sample_drawings(session, random)
    while page.free > leaving + put_off and (row := next(draws, None)) is not None:
        drawn[row.id] = row
        if not row.labelled and (row.offered_at is None or row.offered_at <= since):
            put_off += not page.add(row)
    return drawn


def _review(prediction_id: int, sampled: bool, reviewer: str | None, offered_at: datetime | None) -> dict[str, Any]:
    return {"prediction_id": prediction_id, "sampled": sampled, "reviewer": reviewer, "offered_at": offered_at}


def _item(row: Row[Any], sampled: bool) -> ReviewItem:
    return ReviewItem(
        id=row.id,
        prediction=row.prediction,
        confidence=row.confidence,
        margin=row.margin,
        scores=by_digit(row.scores),
        model_version=row.model_version,
        created_at=row.created_at,
        drawing=f"/results/{row.id}/drawing.png",
        reason="random" if sampled else "smallest margin",
    )
