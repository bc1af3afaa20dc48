"""The statements that the service's database executes, and how SQLite goes about one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.database import get_database


class Statement(NamedTuple):
    """The SQL as the driver gets it, and its values."""

    text: str
    values: Any
    engine: sa.Engine


@contextmanager
def before_each(do: Callable[[Statement], None]) -> Iterator[None]:
    """Do this before each statement that is executed meanwhile; it fails where this does."""

    def listen(connection: sa.Connection, _cursor: object, text: str, values: Any, *_rest: object) -> None:
        do(Statement(text, values, connection.engine))

    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)


@contextmanager
def executed() -> Iterator[list[Statement]]:
    """Every statement that is executed meanwhile."""
    seen: list[Statement] = []
    with before_each(seen.append):
        yield seen


def sqlite_plan(statement: Statement) -> list[str]:
    """The steps in which SQLite executes the statement."""
    with get_database().engine.connect() as connection:
        explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.text}", statement.values)
        return [row[-1] for row in explained]
