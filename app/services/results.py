import hashlib
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from app.drawings.shape import PIXELS
from app.repository import results as repository
from app.repository.drawings import find_pixels
from app.repository.results import Position
from app.schemas.audit import Action
from app.schemas.results import Result, ResultsPage, ResultsQuery, ResultSummary
from app.services.audit import Actor, record
from app.services.cursors import next_cursor, position_of
from app.services.errors import NotFound, PreconditionFailed
from app.services.scores import scores_of

SHORT_PAGE: Final = 100

INVERTED: Final = "Most of the drawing is ink. If it is dark on light, send 255 minus each value; 0 is background."

# Mean level; MNIST's digits have at most 105.
INVERTED_ABOVE: Final = 150


class TaggedResult(NamedTuple):
    result: Result
    tag: str


def is_short(query: ResultsQuery) -> bool:
    """Return whether the page follows an index without skipping rows."""
    return query.limit <= SHORT_PAGE and repository.follows_index(query)


def list_page(session: Session, query: ResultsQuery) -> ResultsPage:
    """Return a page; raise InvalidInput for an invalid cursor."""
    after = None if query.cursor is None else position_of(query.cursor)
    rows = repository.list_results(session, query, query.limit + 1, after)
    page = [ResultSummary.model_validate(row, from_attributes=True) for row in rows[: query.limit]]
    return ResultsPage(results=page, next=next_cursor(rows, query.limit, lambda row: Position(row.id, row.created_at)))


def get_result(session: Session, prediction_id: int) -> TaggedResult:
    """Return a prediction; raise NotFound."""
    row = repository.find_result(session, prediction_id)
    if row is None:
        raise _unknown(prediction_id)
    columns = dict(row._mapping)
    scores, pixels = columns.pop("scores"), columns.pop("pixels")
    result = Result(scores=scores_of(scores), hint=_hint(pixels), **columns)
    return TaggedResult(result, hashlib.sha256(result.model_dump_json().encode()).hexdigest()[:32])


def _hint(pixels: bytes | None) -> str | None:
    return INVERTED if pixels is not None and sum(pixels) > INVERTED_ABOVE * PIXELS else None


def find_drawing(session: Session, prediction_id: int) -> bytes | None:
    """Return 784 bytes or None."""
    return find_pixels(session, prediction_id)


def get_drawing(session: Session, prediction_id: int) -> bytes:
    """Return 784 bytes; raise NotFound."""
    pixels = find_drawing(session, prediction_id)
    if pixels is None:
        raise NotFound(f"There is no drawing for prediction {prediction_id}.")
    return pixels


def set_notes(
    session: Session, prediction_id: int, notes: str | None, actor: Actor, tags: set[str] | None
) -> TaggedResult:
    """Replace the notes; raise NotFound or PreconditionFailed."""
    lock_unchanged(session, prediction_id, tags)
    repository.set_notes(session, prediction_id, notes)
    record(session, actor, Action.NOTES, f"prediction {prediction_id}")
    return get_result(session, prediction_id)


def delete_result(session: Session, prediction_id: int, actor: Actor, tags: set[str] | None) -> None:
    """Delete a prediction with its drawing and labels; raise NotFound or PreconditionFailed."""
    lock_unchanged(session, prediction_id, tags, deletes=True)
    repository.delete_prediction(session, prediction_id)
    record(session, actor, Action.DELETE, f"prediction {prediction_id}")


def lock_unchanged(session: Session, prediction_id: int, tags: set[str] | None, *, deletes: bool = False) -> None:
    """Lock a prediction; raise NotFound, or PreconditionFailed unless its tag is in `tags`; None means any."""
    if not repository.lock_prediction(session, prediction_id, deletes=deletes):
        raise _unknown(prediction_id)
    if tags is not None and get_result(session, prediction_id).tag not in tags:
        raise PreconditionFailed(f"Prediction {prediction_id} was changed since you read it; read it again.")


def _unknown(prediction_id: int) -> NotFound:
    return NotFound(f"There is no prediction {prediction_id}.")
