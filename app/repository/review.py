"""Reviews: which drawings are worth a look, which were drawn at random, and who has which before them."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from random import Random
from typing import Any, Final

from sqlalchemy import ColumnElement, Result, Row, Select, delete, exists, func, insert, or_, select
from sqlalchemy.orm import Session

from app.models import Drawing, Label, Prediction, Review

LOOKED_AT: Final = 2000
"""A page is made of at most so many candidates: whoever sent one drawing a million times delays nobody else."""

ROUNDS: Final = (10, 40, 160, 640)
"""How many ids are guessed at a time; few at first, since in most tables nearly every guess is one of a drawing."""

ENOUGH: Final = 20
"""When fewer guesses than this are right, the ids have too many gaps for guessing."""

_CHUNK: Final = 25

# Any number will do, if nobody else uses it for a lock in the same database.
_LOCK: Final = 0x526576696577


def take_turn(session: Session) -> None:
    """Let nobody else choose drawings before this transaction ends. SQLite has one writer at a time anyway."""
    if session.connection().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def reserved_by(session: Session, reviewer: str, since: datetime) -> Iterator[Row[Any]]:
    """Yield the unlabelled drawings that were offered to this reviewer after a time: random ones, smallest margin."""
    ids = select(Review.prediction_id).join(Drawing, Drawing.prediction_id == Review.prediction_id)
    ids = ids.where(Review.reviewer == reviewer, Review.offered_at > since, ~_is_labelled(Review))
    return _walk(session, ids.order_by(Review.sampled.desc(), Drawing.margin, Review.prediction_id))


def drawn_and_waiting(session: Session, since: datetime) -> Iterator[Row[Any]]:
    """Yield the unlabelled drawings that were drawn at random and are with nobody since a time, the oldest first."""
    ids = select(Review.prediction_id).where(Review.sampled, _is_free(since), ~_is_labelled(Review))
    return _walk(session, ids.order_by(Review.offered_at.asc().nulls_first(), Review.prediction_id))


def by_margin(session: Session, since: datetime) -> Iterator[Row[Any]]:
    """Yield the unlabelled drawings that are with nobody since a time, the smallest margin first.

    Those that are labelled already are passed by in the index, without their rows being read.
    """
    ids = select(Drawing.prediction_id).outerjoin(Review, Review.prediction_id == Drawing.prediction_id)
    ids = ids.where(Drawing.margin.is_not(None), _is_free(since), ~_is_labelled(Drawing))
    return _walk(session, ids.order_by(Drawing.margin, Drawing.prediction_id))


def draw(session: Session, random: Random) -> Iterator[Row[Any]]:
    """Yield drawings that were never drawn, labelled or not; each time every one of them is equally likely.

    Ids are guessed, and a guess that is the id of no such drawing is thrown away (rejection sampling), so that a draw
    costs the same in any table. What was drawn is yielded once, and has to be saved as sampled. Ends after a bounded
    number of guesses.
    """
    ends = select(
        select(func.min(Drawing.prediction_id)).scalar_subquery(),
        select(func.max(Drawing.prediction_id)).scalar_subquery(),
    )
    first, last = session.execute(ends).one()
    if first is None:
        return
    ids = range(first, last + 1)
    drawn: set[int] = set()
    for guesses in ROUNDS:
        guessed = random.sample(ids, min(guesses, len(ids)))
        found = _never_drawn(session, set(guessed) - drawn)
        for id_ in guessed:
            if id_ in found:
                drawn.add(id_)
                yield found[id_]
        if guesses >= len(ids):
            return
    if len(drawn) < ENOUGH:
        yield from _draw_by_counting(session, random, drawn)


def _draw_by_counting(session: Session, random: Random, drawn: set[int]) -> Iterator[Row[Any]]:
    """Yield some drawings that were never drawn, by their places in the list of all: slow, but gaps do not matter.

    The list needs no order: whichever drawing is at a place, every one of them is at one.
    """
    left = select(Drawing.prediction_id).outerjoin(Review, Review.prediction_id == Drawing.prediction_id)
    left = left.where(~_is_sampled())
    count = session.scalar(select(func.count()).select_from(left.subquery())) or 0
    for place in random.sample(range(count), min(ENOUGH, count)):
        id_ = session.scalar(left.offset(place).limit(1))
        # None when drawings were deleted since they were counted.
        if id_ is not None and id_ not in drawn:
            drawn.add(id_)
            yield from _never_drawn(session, [id_]).values()


def _never_drawn(session: Session, ids: Iterable[int]) -> dict[int, Row[Any]]:
    return {row.id: row for row in _find(session, ids) if not row.sampled}


def keep(session: Session, ids: Iterable[int]) -> set[int]:
    """Keep these predictions from being deleted until this transaction ends; return those that there are.

    SQLite has one writer at a time, and leaves the clause out.
    """
    statement = select(Prediction.id).where(Prediction.id.in_(ids)).order_by(Prediction.id)
    return set(session.scalars(statement.with_for_update(read=True, key_share=True)))


def save(session: Session, rows: list[dict[str, Any]]) -> None:
    """Store what is known of these reviews: prediction_id, sampled, reviewer and offered_at of each."""
    if rows:
        session.execute(delete(Review).where(Review.prediction_id.in_([row["prediction_id"] for row in rows])))
        session.execute(insert(Review), rows)


def _walk(session: Session, ids: Select[tuple[int]]) -> Iterator[Row[Any]]:
    """Yield the drawings of a list in its order, without reading more of it than is asked for."""
    with session.scalars(ids.limit(LOOKED_AT), execution_options={"yield_per": _CHUNK}) as walked:
        for chunk in walked.partitions():
            rows = {row.id: row for row in _find(session, chunk)}
            yield from (rows[id_] for id_ in chunk if id_ in rows)


def _find(session: Session, ids: Iterable[int]) -> Result[Any]:
    """Return what is known of these drawings, and of what became of their review, in any order."""
    columns = (
        Prediction.id,
        Prediction.prediction,
        Prediction.confidence,
        Prediction.model_version,
        Prediction.created_at,
        Drawing.scores,
        Drawing.margin,
        Drawing.pixels,
        _is_sampled().label("sampled"),
        Review.reviewer,
        Review.offered_at,
        _is_labelled(Drawing).label("labelled"),
    )
    statement = select(*columns).select_from(Drawing).join(Prediction, Prediction.id == Drawing.prediction_id)
    statement = statement.outerjoin(Review, Review.prediction_id == Drawing.prediction_id)
    return session.execute(statement.where(Drawing.prediction_id.in_(ids)))


def _is_labelled(of: type[Drawing | Review]) -> ColumnElement[bool]:
    """True for what somebody labelled; asked of the table that is walked, for else another one's row is read first."""
    return exists().where(Label.prediction_id == of.prediction_id).correlate(of)


def _is_free(since: datetime) -> ColumnElement[bool]:
    return or_(Review.offered_at.is_(None), Review.offered_at <= since)


def _is_sampled() -> ColumnElement[bool]:
    return func.coalesce(Review.sampled, False)
