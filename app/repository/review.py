from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from operator import itemgetter
from random import Random
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Result, Row, Select, bindparam, delete, exists, func, insert, or_, select
from sqlalchemy.orm import Session

from app.drawings.shape import LIKELY_NOT_A_DIGIT
from app.models import SMALL_MARGIN, Drawing, Label, Prediction, QueuedDrawing, Review
from app.repository.columns import PREDICTION_COLUMNS, SCORES
from app.repository.dialects import is_sqlite

# Limits the work if one drawing was sent a million times.
MAX_CANDIDATES: Final = 2000

# In most tables nearly every guessed id exists.
GUESS_BATCH_SIZES: Final = (10, 40, 160, 640)

# With fewer hits, the ids have too many gaps for guessing.
MIN_HITS: Final = 20

# Only `prune` leaves a longer run.
MAX_LABELLED_RUN: Final = 100

_READ_BATCH_SIZE: Final = 25

# Unique among the database's advisory locks.
_LOCK: Final = 0x526576696577


def lock_queue(session: Session) -> None:
    """Lock the queue on PostgreSQL; SQLite has only one writer."""
    if not is_sqlite(session):
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def iterate_reserved(session: Session, reviewer: str, reserved_since: datetime, *, digits: bool) -> Iterator[Row[Any]]:
    """Yield what is reserved for a reviewer: with `digits` digits and samples, else what is probably not a digit."""
    ids = select(Review.prediction_id).join(Drawing, Drawing.prediction_id == Review.prediction_id)
    ids = ids.join(Prediction, Prediction.id == Review.prediction_id)
    ids = ids.where(Review.reviewer == reviewer, Review.offered_at > reserved_since, *_is_open(session, Review))
    is_not_a_digit = func.coalesce(Prediction.not_a_digit, 0) > LIKELY_NOT_A_DIGIT
    ids = ids.where(or_(Review.sampled, ~is_not_a_digit) if digits else is_not_a_digit)
    return _iterate(session, ids.order_by(Review.sampled.desc(), Drawing.margin, Review.prediction_id))


def iterate_sampled(session: Session, reserved_since: datetime) -> Iterator[Row[Any]]:
    """Yield unlabelled random samples, oldest first."""
    ids = _queued(session, "sample", reserved_since).order_by(
        Review.offered_at.asc().nulls_first(), QueuedDrawing.prediction_id
    )
    return _iterate(session, ids)


def iterate_by_margin(session: Session, reserved_since: datetime) -> Iterator[Row[Any]]:
    """Yield unlabelled digits, smallest margin first; larger margins only of the newest drawings."""
    newest = select(Drawing.prediction_id, Drawing.margin).where(_is_free(reserved_since), *_is_open(session, Drawing))
    newest = newest.outerjoin(Review, Review.prediction_id == Drawing.prediction_id)
    newest = newest.where(Drawing.margin > SMALL_MARGIN).order_by(Drawing.prediction_id.desc())
    found = newest.limit(MAX_CANDIDATES).subquery().c
    others = _iterate(session, select(found.prediction_id).order_by(found.margin, found.prediction_id))
    return islice(chain(_iterate_queue(session, "margin", reserved_since), others), MAX_CANDIDATES)


def iterate_not_digits(session: Session, reserved_since: datetime) -> Iterator[Row[Any]]:
    """Yield unlabelled drawings that are probably not digits, newest first."""
    return _iterate_queue(session, "not_a_digit", reserved_since)


def sample_drawings(session: Session, random: Random) -> Iterator[Row[Any]]:
    """Yield unsampled drawings from the first unlabelled one on, each equally likely, at a constant cost.

    Before it are labelled ones that `prune` left.
    """
    last = session.scalar(select(func.max(Drawing.prediction_id))) or 0
    first = _first_unlabelled(session, last)
    if first is None:
        return
    ids = range(first, last + 1)
    sampled_ids: set[int] = set()
    for size in GUESS_BATCH_SIZES:
        guessed = random.sample(ids, min(size, len(ids)))
        found = _find_unsampled(session, set(guessed) - sampled_ids)
        for id_ in guessed:
            if id_ in found:
                sampled_ids.add(id_)
                yield found[id_]
        if size >= len(ids):
            return
    if len(sampled_ids) < MIN_HITS:
        yield from _sample_by_offset(session, random, first, sampled_ids)


def _first_unlabelled(session: Session, last: int) -> int | None:
    """Return the first unlabelled id, found by bisection after many labelled ones."""

    def look_from(id_: int) -> int | None:
        found: int | None = session.scalar(_NEXT_UNLABELLED, {"id": id_})
        return found

    first = look_from(0)
    if first is None:
        first = look_from(bisect_left(range(last + 1), True, key=lambda id_: look_from(id_) is not None))
    return first


def _sample_by_offset(session: Session, random: Random, first: int, sampled_ids: set[int]) -> Iterator[Row[Any]]:
    """Sample by position: slow, but unaffected by gaps between ids."""
    # Random offsets need no order.
    left = select(Drawing.prediction_id).outerjoin(Review, Review.prediction_id == Drawing.prediction_id)
    left = left.where(Drawing.prediction_id >= first, ~_is_sampled())
    count = session.scalar(select(func.count()).select_from(left.subquery())) or 0
    for offset in random.sample(range(count), min(MIN_HITS, count)):
        id_ = session.scalar(left.offset(offset).limit(1))
        # Deleted since the count.
        if id_ is not None and id_ not in sampled_ids:
            sampled_ids.add(id_)
            yield from _find_unsampled(session, [id_]).values()


def _find_unsampled(session: Session, ids: Iterable[int]) -> dict[int, Row[Any]]:
    return {row.id: row for row in _find(session, ids) if not row.sampled}


class ReviewState(NamedTuple):
    sampled: bool
    reviewer: str | None
    offered_at: datetime | None
    labelled: bool


def state_of(row: Row[Any]) -> ReviewState:
    return ReviewState(row.sampled, row.reviewer, row.offered_at, row.labelled)


def find_states(session: Session, ids: Iterable[int]) -> dict[int, ReviewState]:
    return {row.id: state_of(row) for row in _find(session, ids)}


def lock_predictions(session: Session, ids: Iterable[int]) -> set[int]:
    """Prevent deletions and labels; return the ids that exist."""
    statement = select(Prediction.id).where(Prediction.id.in_(ids)).order_by(Prediction.id)
    return set(session.scalars(statement.with_for_update(read=True)))


def save_reviews(session: Session, rows: list[dict[str, Any]]) -> None:
    if rows:
        # In the order of the locks.
        rows = sorted(rows, key=itemgetter("prediction_id"))
        session.execute(delete(Review).where(Review.prediction_id.in_([row["prediction_id"] for row in rows])))
        session.execute(insert(Review), rows)


def _iterate(session: Session, ids: Select[tuple[int]]) -> Iterator[Row[Any]]:
    with session.scalars(ids.limit(MAX_CANDIDATES), execution_options={"yield_per": _READ_BATCH_SIZE}) as found:
        for batch in found.partitions():
            rows = {row.id: row for row in _find(session, batch)}
            yield from (rows[id_] for id_ in batch if id_ in rows)


def _iterate_queue(session: Session, queue: str, reserved_since: datetime) -> Iterator[Row[Any]]:
    return _iterate(
        session, _queued(session, queue, reserved_since).order_by(QueuedDrawing.priority, QueuedDrawing.prediction_id)
    )


def _queued(session: Session, queue: str, reserved_since: datetime) -> Select[tuple[int]]:
    ids = select(QueuedDrawing.prediction_id).where(QueuedDrawing.queue == queue, _is_free(reserved_since))
    # On PostgreSQL, the triggers of a label and of a sample at the same moment do not see each other.
    ids = ids.where(*_is_open(session, QueuedDrawing))
    return ids.outerjoin(Review, Review.prediction_id == QueuedDrawing.prediction_id)


def _find(session: Session, ids: Iterable[int]) -> Result[Any]:
    return session.execute(_FOUND, {"ids": list(ids)})


def _is_labelled(of: type[Drawing | Review | QueuedDrawing]) -> ColumnElement[bool]:
    # Correlated, so that no other table is joined first.
    return exists().where(Label.prediction_id == of.prediction_id).correlate(of)


def _is_open(session: Session, of: type[Drawing | Review | QueuedDrawing]) -> list[ColumnElement[bool]]:
    conditions = [~_is_labelled(of)]
    if is_sqlite(session):
        # The program sqlite3 deletes predictions only.
        conditions.append(exists().where(Prediction.id == of.prediction_id).correlate(of))
    return conditions


def _is_free(reserved_since: datetime) -> ColumnElement[bool]:
    return or_(Review.offered_at.is_(None), Review.offered_at <= reserved_since)


def _is_sampled() -> ColumnElement[bool]:
    return func.coalesce(Review.sampled, False)


_FOUND: Final = (
    select(
        *PREDICTION_COLUMNS,
        SCORES,
        Drawing.margin,
        Drawing.pixels,
        _is_sampled().label("sampled"),
        Review.reviewer,
        Review.offered_at,
        _is_labelled(Drawing).label("labelled"),
    )
    .select_from(Drawing)
    .join(Prediction, Prediction.id == Drawing.prediction_id)
    .outerjoin(Review, Review.prediction_id == Drawing.prediction_id)
    .where(Drawing.prediction_id.in_(bindparam("ids", expanding=True)))
)

_NEXT: Final = (
    select(Drawing.prediction_id)
    .where(Drawing.prediction_id >= bindparam("id"))
    .order_by(Drawing.prediction_id)
    .limit(MAX_LABELLED_RUN)
    .subquery()
    .c
)
_NEXT_UNLABELLED: Final = select(func.min(_NEXT.prediction_id)).where(
    ~exists().where(Label.prediction_id == _NEXT.prediction_id)
)
