from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

_SIZE: Final = {
    "sqlite": text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"),
    "postgresql": text("SELECT pg_database_size(current_database())"),
}


def database_size(session: Session) -> int:
    """Return bytes, without SQLite's write-ahead log."""
    return session.scalar(_SIZE[session.connection().dialect.name]) or 0
