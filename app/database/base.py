from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
from sqlalchemy import BigInteger, BindParameter, DateTime, Dialect, Integer, MetaData, String, literal
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine


def to_json(value: object) -> str:
    """Serialise five times as fast as `json.dumps`."""
    return msgspec.json.encode(value).decode()


class _Integer(TypeDecorator[int]):
    """Compared with any 64-bit integer, which may be larger than PostgreSQL's INTEGER."""

    impl = Integer
    cache_ok = True

    @property
    def python_type(self) -> type[int]:
        return int

    def coerce_compared_value(self, op: object, value: object) -> BigInteger:
        return BigInteger()


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {int: _Integer}
    # Migrations can only change constraints with names.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        }
    )


class _ReadableOrNothing(sqlite.DATETIME):
    """SQLite's date and time, with invalid text read as NULL."""

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

    @property
    def python_type(self) -> type[datetime]:
        return datetime

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_ReadableOrNothing())  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(self.impl_instance)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Raise ValueError for a naive time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _ShortestText(UtcDateTime):
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String()) if dialect.name == "sqlite" else super().load_dialect_impl(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        time = super().process_bind_param(value, dialect)
        if time is None or dialect.name != "sqlite":
            return time
        # Seconds and midnight only if they are not zero.
        return time.replace(tzinfo=None).isoformat(" ").removesuffix(":00").removesuffix(" 00:00")


def begin_of(time: datetime) -> BindParameter[datetime]:
    """Return a bound for stored times. In SQLite `12:00` sorts before `12:00:00` and `12:00:00.000000`."""
    return literal(time, _ShortestText())
