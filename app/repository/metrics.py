from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.repository.dialects import is_sqlite

_SQLITE_SIZE: Final = text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
_POSTGRES_SIZE: Final = text("SELECT pg_database_size(current_database())")


def database_size(session: Session) -> int:
    """Return bytes, without SQLite's write-ahead log."""
    return session.scalar(_SQLITE_SIZE if is_sqlite(session) else _POSTGRES_SIZE) or 0
