"""Databases for the tests: made, migrated and dropped."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import make_url

from alembic import command
from app.config import PROJECT_FOLDER, get_settings
from tests.support.connections import KEPT, NAME_PREFIX, close_connections, connected
from tests.support.run_cleanup import watch_database


def migrate(database_url: str, *arguments: str, project: Path = PROJECT_FOLDER) -> None:
    """Run one Alembic command on the database, by default `upgrade head`; `project` may have more revisions."""
    name, *rest = arguments or ("upgrade", "head")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database_url)
        # Alembic puts the project's folder first.
        patch.setattr(sys, "path", sys.path.copy())
        if project == PROJECT_FOLDER:
            revisions = _our_revisions()
            patch.setattr(ScriptDirectory, "from_config", lambda _config: revisions)
        get_settings.cache_clear()
        try:
            getattr(command, name)(Config(project / "alembic.ini"), *rest)
        finally:
            get_settings.cache_clear()


@cache
def _our_revisions() -> ScriptDirectory:
    """The revisions of this project, which Alembic would import anew for each command."""
    return ScriptDirectory.from_config(Config(PROJECT_FOLDER / "alembic.ini"))


@contextmanager
def postgres_database(admin_url: str, purpose: str) -> Iterator[str]:
    """Make an empty database and drop it at the end; the URL as an operator would write it."""
    name = f"{NAME_PREFIX}{purpose}_{uuid4().hex[:12]}"
    watch_database(admin_url, name)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        # The server frees the lock when this process ends in any way. Then the database is abandoned.
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        # Far from UTC, so that a time stored without its zone does not come back right by chance.
        connection.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Kathmandu'").format(sql.Identifier(name)))
        try:
            yield make_url(admin_url).set(database=name).render_as_string(hide_password=False)
        finally:
            close_connections()
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def drop_abandoned(admin_url: str, pattern: str = f"{NAME_PREFIX}%", *, patience_s: float = 0) -> None:
    """Drop the databases of this name, by default of all runs, whose processes have ended."""
    deadline = time.monotonic() + patience_s
    with psycopg.connect(admin_url, autocommit=True) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern]).fetchall()
        for (name,) in found:
            while not _lock(connection, name) and time.monotonic() < deadline:
                time.sleep(0.1)
            if _lock(connection, name):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _lock(connection: "psycopg.Connection[Any]", name: str) -> bool:
    """Take the lock that the process of this database holds; return whether it was free or taken here before."""
    (taken,) = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone() or (False,)
    return bool(taken)


# A connection that an earlier test left open must not hold locks of the next test, nor take one of its ids.
DISCONNECT_OTHERS: Final = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    f" WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> '{KEPT}'"
)

LARGE_BYTES: Final = 1 << 18
# One block for the server, because twenty statements of the client take five times as long.
EMPTY_TABLES: Final = """
DO $$
DECLARE
    ours regclass[] := ARRAY(
        SELECT oid FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname NOT IN ('alembic_version', 'schema_compatibility')
        -- First, because their triggers fill tables with counts.
        ORDER BY relname <> 'predictions'
    );
    one regclass;
BEGIN
    SET LOCAL synchronous_commit = off;
    IF (SELECT sum(pg_relation_size(name)) FROM unnest(ours) name) > {keep_bytes} THEN
        EXECUTE 'TRUNCATE ' || array_to_string(ours, ', ');
    ELSE
        FOREACH one IN ARRAY ours LOOP
            IF pg_relation_size(one) > 0 THEN
                EXECUTE 'DELETE FROM ' || one;
            END IF;
        END LOOP;
    END IF;
    PERFORM setval(quote_ident(sequencename)::regclass, 1, false) FROM pg_sequences WHERE last_value IS NOT NULL;
END
$$
"""


def empty_tables(url: str, *, keep_bytes: int = LARGE_BYTES) -> None:
    """Delete all rows of a PostgreSQL database, whose ids begin at one again; give tables of more bytes new files.

    To make the files takes the server ten times as long as to delete a few rows.
    """
    with connected(url) as connection:
        connection.exec_driver_sql(DISCONNECT_OTHERS)
        connection.exec_driver_sql(EMPTY_TABLES.format(keep_bytes=keep_bytes))
