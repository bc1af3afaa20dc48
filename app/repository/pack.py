"""Packed pixels of stored drawings. Releases before revision 0012 cannot read them."""

from typing import Final, NamedTuple

from sqlalchemy import LargeBinary, bindparam, cast, column, func, select, table, update
from sqlalchemy.orm import Session

from app.drawings.packing import pack
from app.drawings.shape import PIXELS
from app.models import Drawing

_REVISION: Final = "0012"

# A step takes less than a tenth of a second; other writers wait that long.
STEP_SIZE: Final = 1_000

_COMPATIBILITY: Final = table("schema_compatibility", column("compatible_since"))
_IS_UNPACKED: Final = func.length(Drawing.pixels) == PIXELS
_PACK: Final = (
    update(Drawing).where(Drawing.prediction_id == bindparam("id"), _IS_UNPACKED).values(pixels=bindparam("packed"))
)


def may_pack(session: Session) -> bool:
    """Return whether no release that cannot read packed pixels may use the tables."""
    since: str | None = session.scalar(select(func.max(_COMPATIBILITY.c.compatible_since)))
    return since is not None and since >= _REVISION


def refuse_older_releases(session: Session) -> None:
    older = _COMPATIBILITY.c.compatible_since < _REVISION
    session.execute(update(_COMPATIBILITY).where(older).values(compatible_since=_REVISION))


def last_drawing(session: Session) -> int:
    return session.scalar(select(func.max(Drawing.prediction_id))) or 0


class Step(NamedTuple):
    packed: int
    last_id: int


def pack_next(session: Session, after: int) -> Step | None:
    """Pack the next drawings after this id; return None if there are no more."""
    ids = select(Drawing.prediction_id).where(Drawing.prediction_id > after)
    ids = ids.order_by(Drawing.prediction_id).limit(STEP_SIZE)
    last = session.scalar(select(func.max(ids.subquery().c.prediction_id)))
    return None if last is None else Step(_pack(session, after + 1, last), last)


def _pack(session: Session, first: int, last: int) -> int:
    # SQLite may store text in this column, and counts its characters.
    stored = cast(Drawing.pixels, LargeBinary)
    unpacked = select(Drawing.prediction_id, stored).where(Drawing.prediction_id.between(first, last), _IS_UNPACKED)
    found = {id_: pixels for id_, pixels in session.execute(unpacked).tuples() if len(pixels) == PIXELS}
    packed = zip(found, pack(list(found.values())), strict=True)
    shorter = [{"id": id_, "packed": pixels} for id_, pixels in packed if len(pixels) < PIXELS]
    if shorter:
        session.connection().execute(_PACK, shorter)
    return len(shorter)
