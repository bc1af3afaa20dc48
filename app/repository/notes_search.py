"""SQLite's index of the notes, by groups of three characters. PostgreSQL uses its own without being asked."""

from typing import Final

from sqlalchemy import ColumnElement, column, func, select, table
from sqlalchemy.orm import Session

# Each group has three.
_SHORTEST: Final = 3
# Sorting more takes longer than reading the newest results until a page is full.
_FEW: Final = 5000

NOTES_SEARCH: Final = table("notes_search", column("rowid"), column("notes"))


def has_few_notes(session: Session, text: str) -> bool:
    """Return whether the index finds few notes with the text; False if it cannot tell."""
    if len(text) < _SHORTEST or session.get_bind().dialect.name != "sqlite":
        return False
    found = select(NOTES_SEARCH.c.rowid).where(finds(text)).limit(_FEW + 1).subquery()
    return (session.scalar(select(func.count()).select_from(found)) or 0) <= _FEW


def finds(text: str) -> ColumnElement[bool]:
    """Ignores the case of all letters, so it may find more than the text."""
    quoted = text.replace('"', '""')
    return NOTES_SEARCH.c.notes.op("MATCH")(f'"{quoted}"')
