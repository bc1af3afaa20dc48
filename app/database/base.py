"""The base of the tables, and the type of their times."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine


class Base(DeclarativeBase):
    """The tables' common base."""

    # A constraint without a name cannot be changed by a later migration. Primary keys keep the name
    # the database itself gives them, as the first version's have.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        }
    )


class _ReadableOrNothing(sqlite.DATETIME):
    """SQLite's date and time, where a text that is none is read as NULL.

    Whoever writes rows with `sqlite3` may write anything; one such row must not hide the page it is on.
    """

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        parse = super().result_processor(dialect, coltype)

        def read(value: Any) -> datetime | None:
            try:
                return parse(value) if parse else value
            except (TypeError, ValueError):
                return None

        return read


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time: `YYYY-MM-DD HH:MM:SS.ffffff` text in SQLite, timestamptz in PostgreSQL."""

    impl = DateTime
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(timezone=True)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return how the engine stores it."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_ReadableOrNothing())  # type: ignore[no-untyped-call]  # SQLAlchemy's own.
        return dialect.type_descriptor(self.impl_instance)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into UTC; raise ValueError for a naive one, whose zone is a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored time as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
