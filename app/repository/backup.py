"""Queries for backup and restore."""

from collections.abc import Callable

from sqlalchemy import func, inspect, select, table, text
from sqlalchemy.orm import Session


def count_rows(session: Session, report: Callable[[int, int], object] = lambda done, total: None) -> dict[str, int]:
    names = sorted(set(inspect(session.connection()).get_table_names()) - {"alembic_version"})
    counted = select(func.count())
    rows = {}
    for number, name in enumerate(names):
        report(number, len(names))
        rows[name] = session.scalar(counted.select_from(table(name))) or 0
    return rows


def export_snapshot(session: Session) -> str:
    """Return an id under which another connection sees this snapshot."""
    # pg_dump may take longer than the timeout.
    session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return str(session.scalar(text("SELECT pg_export_snapshot()")))
