"""Databases for the tests: made, migrated and dropped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

import psycopg
import pytest
from alembic.config import Config
from psycopg import sql
from sqlalchemy import make_url

from alembic import command
from app.config import PROJECT_FOLDER, get_settings


def migrate(database_url: str, *arguments: str) -> None:
    """Run one Alembic command on the database, by default `upgrade head`."""
    name, *rest = arguments or ("upgrade", "head")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database_url)
        get_settings.cache_clear()
        try:
            getattr(command, name)(Config(PROJECT_FOLDER / "alembic.ini"), *rest)
        finally:
            get_settings.cache_clear()


def admin(admin_url: str, statement: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


@contextmanager
def postgres_database(admin_url: str, purpose: str) -> Iterator[str]:
    """Make an empty database and drop it at the end; the URL as an operator would write it."""
    name = f"pixelwise_test_{purpose}_{uuid4().hex[:12]}"
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        # Far from UTC, so that a time stored without its zone does not come back right by chance.
        connection.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Kathmandu'").format(sql.Identifier(name)))
        yield make_url(admin_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


# A connection that an earlier test left open must not keep the next test waiting for its locks.
DISCONNECT_OTHERS: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
