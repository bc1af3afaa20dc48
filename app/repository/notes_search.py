"""The indexes of the notes, by groups of three characters: FTS5 on SQLite, pg_trgm on PostgreSQL."""

import string
from typing import Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, column, func, literal_column, select, table
from sqlalchemy import literal as value
from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from app.models import Prediction
from app.repository.columns import without_index
from app.repository.dialects import is_sqlite

_GROUP: Final = 3
# Sorting more takes longer than reading the newest results until a page is full.
_FEW: Final = 5000
_FEW_ON_POSTGRESQL: Final = 1000
# The newest notes, and how many of them have a frequent text.
_NEWEST: Final = 200
_FREQUENT: Final = 10

_NOTES_SEARCH: Final = table("notes_search", column("rowid"))
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def notes_contain(text: str, *, indexed: bool = False) -> list[ColumnElement[bool]]:
    """Return conditions, for which PostgreSQL uses no index of the notes unless asked to."""
    notes = Prediction.notes if indexed else without_index(Prediction.notes)
    return [
        # For the partial indexes.
        Prediction.notes.is_not(None),
        # With this collation PostgreSQL lowers A to Z only, as SQLite always does.
        func.lower(notes.collate("C")).contains(text.translate(_LOWER), autoescape=True),
    ]


def among_few_notes(session: Session, text: str) -> ColumnElement[bool] | None:
    """Return a condition that all results with the text meet, or None if there are many or no index tells."""
    if len(text) < _GROUP:
        return None
    if not is_sqlite(session):
        return _among_few_on_postgresql(session, text)
    found = select(_NOTES_SEARCH.c.rowid).where(_finds(text))
    few = found.limit(_FEW + 1).subquery()
    is_few = (session.scalar(select(func.count()).select_from(few)) or 0) <= _FEW
    return Prediction.id.in_(found) if is_few else None


def _finds(text: str) -> ColumnElement[bool]:
    """The notes have all groups of the text, in any case and order: this finds more."""
    groups = {text[start : start + _GROUP].replace('"', '""') for start in range(len(text) - _GROUP + 1)}
    return literal_column(_NOTES_SEARCH.name).op("MATCH")(" AND ".join(f'"{group}"' for group in sorted(groups)))


def _among_few_on_postgresql(session: Session, text: str) -> ColumnElement[bool] | None:
    few = None if _is_frequent(session, text) else _find_few(session, text)
    if few is None:
        # PostgreSQL guesses that few have the text, and would sort all notes for a page.
        session.execute(sql("SET LOCAL enable_sort = off; SET LOCAL max_parallel_workers_per_gather = 0"))
    return few


def _is_frequent(session: Session, text: str) -> bool:
    noted, has_text = notes_contain(text)
    newest = select(has_text.label("has_text")).where(noted).order_by(Prediction.id.desc()).limit(_NEWEST).subquery()
    return (session.scalar(select(func.count()).where(newest.c.has_text)) or 0) >= _FREQUENT


def _find_few(session: Session, text: str) -> ColumnElement[bool] | None:
    # Left to itself, PostgreSQL may read all notes to find few.
    session.execute(sql("SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = off"))
    found = select(Prediction.id).where(*notes_contain(text, indexed=True)).limit(_FEW_ON_POSTGRESQL + 1)
    ids = session.scalars(found).all()
    session.execute(sql("SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = on"))
    return Prediction.id == any_(value(ids, ARRAY(BigInteger))) if len(ids) <= _FEW_ON_POSTGRESQL else None
