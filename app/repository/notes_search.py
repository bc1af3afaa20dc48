"""SQLite's index of the notes, by groups of three characters. PostgreSQL uses its own without being asked."""

from typing import Final

from sqlalchemy import ColumnElement, column, func, literal_column, select, table
from sqlalchemy.orm import Session

from app.repository.dialects import is_sqlite

_GROUP: Final = 3
# Sorting more takes longer than reading the newest results until a page is full.
_FEW: Final = 5000

NOTES_SEARCH: Final = table("notes_search", column("rowid"))


def has_few_notes(session: Session, text: str) -> bool:
    """Return whether the index finds few notes with the text; False if it cannot tell."""
    if len(text) < _GROUP or not is_sqlite(session):
        return False
    found = select(NOTES_SEARCH.c.rowid).where(finds(text)).limit(_FEW + 1).subquery()
    return (session.scalar(select(func.count()).select_from(found)) or 0) <= _FEW


def finds(text: str) -> ColumnElement[bool]:
    """All groups of the text are in the notes, in any case and order: this finds more than the text."""
    groups = {text[start : start + _GROUP].replace('"', '""') for start in range(len(text) - _GROUP + 1)}
    return literal_column(NOTES_SEARCH.name).op("MATCH")(" AND ".join(f'"{group}"' for group in sorted(groups)))
