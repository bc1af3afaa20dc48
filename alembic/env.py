"""Where a migration runs: on its own connection, one migration at a time, and what it tells older releases."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from logging.config import fileConfig
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from alembic import context
from app import models
from app.config import ConfigurationError, get_settings
from app.database.base import UtcDateTime
from app.database.errors import DatabaseError, translated_errors
from app.database.schema_version import schema_revision
from app.database.url import checked_url

# What Alembic's batch mode puts before the name of the table it copies.
COPY_PREFIX = "_alembic_tmp_"

# Any number will do as long as it is always this one: two upgrades of one database meet on it.
ADVISORY_LOCK = 0x50495857

# Long enough for another migration to finish.
SQLITE_BUSY_TIMEOUT_S = 30

# Whoever needs a table queues behind a migration that waits for it, so a migration waits for less than the
# service's own lock_timeout: a request is then slow, but does not fail. Nobody queues behind what a revision does
# outside of a transaction. The server's own limits are for requests.
POSTGRES_LIMITS = (
    "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
)

TURN_POLL_S = 0.2


def make_postgres_engine(url: sa.URL) -> sa.Engine:
    """Make the engine of the migration on PostgreSQL."""
    engine = sa.create_engine(
        url,
        poolclass=sa.NullPool,
        # PgBouncer gives each transaction another of the server's connections, which knows no prepared statement.
        connect_args={"connect_timeout": 3, "prepare_threshold": None},
    )

    # For the same reason each transaction has to say it again.
    @sa.event.listens_for(engine, "begin")
    def limit(connection: sa.Connection) -> None:
        driver_connection: Any = connection.connection.dbapi_connection
        if not driver_connection.autocommit:
            connection.exec_driver_sql(POSTGRES_LIMITS)

    return engine


def make_engine(url: sa.URL) -> sa.Engine:
    """Make the engine of the migration, and an SQLite file that only its owner can read."""
    if url.get_backend_name() != "sqlite":
        return make_postgres_engine(url)
    path = Path(url.database or "")
    if not path.exists():
        refuse_to_begin_anew(path)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode=0o600))
    engine = sa.create_engine(
        url,
        poolclass=sa.NullPool,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # Only before there is anything in a file can it be made one that gets smaller when rows are deleted.
        if path.stat().st_size == 0:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        # A table is changed by copying it and dropping the old one. With foreign keys enforced the drop
        # would delete every row that refers to it; without the legacy rename a view of the table would
        # stop the migration. Neither can be set inside the transaction.
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA legacy_alter_table=ON")
        # A service that runs meanwhile moves the log into the file, and two that do can corrupt it.
        connection.execute("PRAGMA wal_autocheckpoint=0")

    # Without these, SQLite's driver commits before every change of a table, and a migration that fails
    # midway can neither be taken back nor run again.
    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def refuse_to_begin_anew(path: Path) -> None:
    """Raise CommandError when there was a database, by what it has left behind: an empty one would hide the loss."""
    names = (f"{path.name}-wal", f"{path.name}.before-")
    left = [other for other in path.parent.iterdir() if other.name.startswith(names)]
    if left:
        raise CommandError(
            f"there is no {path}, but {max(left)} lies beside it; put the database back, or a backup in its place"
            " (python -m app restore), or move what was left away to begin with an empty one"
        )


def keep_autoincrement(table: sa.Table, connection: sa.Connection, **_arguments: object) -> None:
    """Make the copy of a table as strict about its ids as the original; batch mode forgets it."""
    if connection.dialect.name == "sqlite" and table.name.startswith(COPY_PREFIX):
        original = connection.scalar(
            sa.text("SELECT sql FROM sqlite_master WHERE name = :name"),
            {"name": table.name.removeprefix(COPY_PREFIX)},
        )
        table.dialect_options["sqlite"]["autoincrement"] |= "AUTOINCREMENT" in (original or "")


def keep_last_id(table: sa.Table, connection: sa.Connection, **_arguments: object) -> None:
    """Let the copy know the last id that was given, also when its row has been deleted since."""
    if table.name.startswith(COPY_PREFIX) and table.dialect_options["sqlite"]["autoincrement"]:
        last_id = sa.text(
            "INSERT INTO sqlite_sequence (name, seq) SELECT :copy, seq FROM sqlite_sequence WHERE name = :name"
        )
        connection.execute(last_id, {"copy": table.name, "name": table.name.removeprefix(COPY_PREFIX)})


@contextmanager
def ids_never_given_twice() -> Iterator[None]:
    """Keep SQLite's AUTOINCREMENT when a table is changed by copying it."""
    sa.event.listen(sa.Table, "before_create", keep_autoincrement)
    sa.event.listen(sa.Table, "after_create", keep_last_id)
    try:
        yield
    finally:
        sa.event.remove(sa.Table, "before_create", keep_autoincrement)
        sa.event.remove(sa.Table, "after_create", keep_last_id)


@contextmanager
def turn(engine: sa.Engine) -> Iterator[None]:
    """Wait until no other migration runs, and keep the next one waiting; on SQLite, BEGIN IMMEDIATE does so."""
    if engine.dialect.name != "postgresql":
        yield
        return
    # On a connection of its own, because a revision may commit midway. CREATE INDEX CONCURRENTLY waits for every
    # snapshot: a statement holds one while it waits, and one with parameters until its transaction ends. Not this one.
    with engine.connect() as connection:
        while not connection.scalar(sa.text(f"SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})")):
            connection.rollback()
            time.sleep(TURN_POLL_S)
        yield


def tell_older_releases(*, ctx: MigrationContext, heads: set[str], **_arguments: object) -> None:
    """Write down, with the revision itself, the oldest revision whose release works on the tables as they are now.

    A release knows no revision that came after it, so this is all it can go by. A revision that says nothing of it
    is taken to break everything before.
    """
    history = context.script.iterate_revisions(tuple(heads), "base") if heads else ()
    since = max((getattr(script.module, "compatible_since", script.revision) for script in history), default=None)
    execute = ctx.impl.bind.execute
    execute(
        sa.text(
            "CREATE TABLE IF NOT EXISTS schema_compatibility"
            " (revision VARCHAR PRIMARY KEY, compatible_since VARCHAR NOT NULL)"
        )
    )
    execute(sa.text("DELETE FROM schema_compatibility"))
    if since is not None:
        statement = sa.text("INSERT INTO schema_compatibility VALUES (:revision, :since)")
        execute(statement, {"revision": max(heads), "since": since})


@contextmanager
def foreign_keys_checked(connection: sa.Connection) -> Iterator[None]:
    """Raise CommandError when a row has come to refer to one that is gone, since SQLite does not look meanwhile.

    Those that did so before are left as they are: whoever deletes with `sqlite3` leaves them behind.
    """
    before = broken_references(connection)
    yield
    for (table, parent), count in (broken_references(connection) - before).items():
        raise CommandError(f"the migration would leave {count} rows of {table} that refer to no row of {parent}")


def broken_references(connection: sa.Connection) -> Counter[tuple[str, str]]:
    """How many rows of which table refer to one of which other that is gone; PostgreSQL has none."""
    if connection.dialect.name != "sqlite":
        return Counter()
    return Counter((row.table, row.parent) for row in connection.execute(sa.text("PRAGMA foreign_key_check")))


def include_object(_object: object, _name: str | None, kind: str, reflected: bool, compare_to: object | None) -> bool:
    """Leave alone the tables that somebody else put into the database."""
    return not (kind == "table" and reflected and compare_to is None)


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write the plain type into a revision: history imports nothing of the application."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def number_revision(_context: MigrationContext, _revision: object, scripts: list[MigrationScript]) -> None:
    """Give a new revision the next number, as the service finds the newest one by its file's name."""
    for script in scripts:
        if not getattr(context.config.cmd_opts, "rev_id", None):
            script.rev_id = f"{int(schema_revision()) + 1:04}"


def unknown_revision(connection: sa.Connection) -> str:
    """Say what to do about a database whose revision is not in `alembic/versions`."""
    found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    inspector = sa.inspect(connection)
    columns: list[str] = []
    if inspector.has_table("predictions"):
        columns = [column["name"] for column in inspector.get_columns("predictions")]
    revisions = {
        ("id", "prediction", "confidence", "model_version", "created_at"): "0001",
        ("id", "prediction", "confidence", "model_version", "created_at", "notes"): "0002",
    }
    problem = f"the database is at revision {found}, which is not in alembic/versions; nothing was changed."
    if adopted := revisions.get(tuple(columns)):
        return (
            f"{problem} Its table is that of revision {adopted}; to adopt it, run:"
            f" alembic stamp --purge {adopted} && alembic upgrade head"
        )
    return f"{problem} It was made by a newer version of PixelWise, or by another program"


def migrate(connection: sa.Connection) -> None:
    """Run the command: on SQLite in one transaction, on PostgreSQL in one for each revision.

    SQLite locks the whole file whatever is done to it. PostgreSQL locks what was touched until the commit, so a
    revision keeps no lock while the next one works.
    """
    context.configure(
        connection=connection,
        target_metadata=models.Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,
        transaction_per_migration=connection.dialect.name == "postgresql",
        on_version_apply=tell_older_releases,
        compare_server_default=True,
        include_object=include_object,
        render_item=render_item,
        process_revision_directives=number_revision,
    )
    with ids_never_given_twice(), context.begin_transaction(), foreign_keys_checked(connection):
        context.run_migrations()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line for whatever an operator can put right."""
    try:
        with translated_errors():
            yield
    except (CommandError, ConfigurationError, DatabaseError, OSError) as error:
        raise SystemExit(f"pixelwise: {error}") from error


def run() -> None:
    """Run the Alembic command that was given, on the database of the settings."""
    # A program that calls Alembic has a log of its own; only the command line needs this one.
    if context.config.cmd_opts and context.config.config_file_name:
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    if context.is_offline_mode():
        raise CommandError("migrations read the database, so there is no SQL to print without one")
    engine = make_engine(checked_url(get_settings().database_url))
    with turn(engine), engine.connect() as connection:
        try:
            migrate(connection)
        except CommandError as error:
            if not str(error).startswith("Can't locate revision"):
                raise
            raise CommandError(unknown_revision(connection)) from error


with one_line_errors():
    run()
