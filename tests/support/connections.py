"""Connections of the tests to their databases, beside those of the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

# What every PostgreSQL database of the tests is called. They are dropped when nobody uses them.
NAME_PREFIX: Final = "pixelwise_pytest_"
# What the kept connections call themselves.
KEPT: Final = "tests of PixelWise"

_engines: dict[str, sa.Engine] = {}


@contextmanager
def connected(database_url: str) -> Iterator[sa.Connection]:
    """A separate connection, committed at the end."""
    # A new engine would first ask the server what it can do.
    if database_url not in _engines:
        _engines[database_url] = _engine(database_url)
    with _engines[database_url].begin() as connection:
        yield connection


def close_connections() -> None:
    """Close the kept connections."""
    for engine in _engines.values():
        engine.dispose()
    _engines.clear()


@contextmanager
def servers_asked_once() -> Iterator[None]:
    """Until the end of the block, let each new engine know what the first one of its URL asked the server."""
    # Tests of what a start loads import this file.
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    ask = PGDialect_psycopg.initialize
    answers: dict[sa.URL, dict[str, Any]] = {}

    def initialize(dialect: "PGDialect_psycopg", connection: sa.Connection) -> None:
        url = connection.engine.url
        if url not in answers:
            before = vars(dialect).copy()
            ask(dialect, connection)
            answers[url] = {name: value for name, value in vars(dialect).items() if before.get(name) is not value}
            # What an engine knows of its types.
            answers[url].pop("_type_memos", None)
        vars(dialect).update(answers[url])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PGDialect_psycopg, "initialize", initialize)
        yield


def _engine(database_url: str) -> sa.Engine:
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    if NAME_PREFIX not in database_url:
        return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
    # One connection is kept: for each the server starts a process. Statements are not prepared, because tables change.
    options: dict[str, Any] = {"application_name": KEPT, "prepare_threshold": None}
    return sa.create_engine(url, pool_size=1, pool_pre_ping=True, connect_args=options, hide_parameters=True)
