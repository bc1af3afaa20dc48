"""Queries for backup and restore."""

from sqlalchemy import func, inspect, select, table, text
from sqlalchemy.orm import Session

_VERSION = "alembic_version"


def count_rows(session: Session) -> dict[str, int]:
    names = inspect(session.connection()).get_table_names()
    counted = select(func.count())
    return {name: session.scalar(counted.select_from(table(name))) or 0 for name in sorted(names) if name != _VERSION}


def find_revision(session: Session) -> str | None:
    if not inspect(session.connection()).has_table(_VERSION):
        return None
    revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def export_snapshot(session: Session) -> str:
    """Return an id under which another connection sees this snapshot."""
    # pg_dump may take longer than the timeout.
    session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return str(session.scalar(text("SELECT pg_export_snapshot()")))
