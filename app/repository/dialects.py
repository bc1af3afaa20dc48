from importlib import import_module
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session

from app.models import Base


def is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def dialect_insert(session: Session, table: Table | type[Base]) -> Any:
    """Return an INSERT that may have ON CONFLICT."""
    # Loads only this dialect.
    return import_module(f"sqlalchemy.dialects.{session.get_bind().dialect.name}").insert(table)
