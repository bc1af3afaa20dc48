"""What a copy of the database is compared with: which revision it has, and how many rows each table."""

from sqlalchemy import func, inspect, select, table, text
from sqlalchemy.orm import Session

_VERSION = "alembic_version"


def count_rows(session: Session) -> dict[str, int]:
    """Return how many rows each table has, by name: all tables that are there, also those of somebody else."""
    names = inspect(session.connection()).get_table_names()
    counted = select(func.count())
    return {name: session.scalar(counted.select_from(table(name))) or 0 for name in sorted(names) if name != _VERSION}


def find_revision(session: Session) -> str | None:
    """Return the revision of the tables, or None when no migration has made them."""
    if not inspect(session.connection()).has_table(_VERSION):
        return None
    revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def export_snapshot(session: Session) -> str:
    """Return the name by which another connection to PostgreSQL sees what this transaction sees, until this ends."""
    # The other one may take an hour, and this one does nothing meanwhile.
    session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return str(session.scalar(text("SELECT pg_export_snapshot()")))
