"""Run migrations: on a connection of their own, one at a time, and record which older releases stay compatible."""

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

# Alembic's batch mode names the copy of a table this way.
COPY_PREFIX = "_alembic_tmp_"

# An arbitrary number, the same in every release, so that two upgrades of one database exclude each other.
ADVISORY_LOCK = 0x50495857

# Long enough for another migration to finish.
SQLITE_BUSY_TIMEOUT_S = 30

# Requests queue behind a migration that waits for a table's lock. lock_timeout is shorter than the service's own, so
# that they are slow but do not fail. The server's other timeouts are meant for requests and are turned off.
POSTGRES_LIMITS = (
    "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
)

LOCK_POLL_S = 0.2


def make_postgres_engine(url: sa.URL) -> sa.Engine:
    """Create the engine for migrations on PostgreSQL."""
    engine = sa.create_engine(
        url,
        poolclass=sa.NullPool,
        # With PgBouncer each transaction may run on another connection, which lacks the prepared statements.
        connect_args={"connect_timeout": 3, "prepare_threshold": None},
    )

    # In each transaction, for the same reason.
    @sa.event.listens_for(engine, "begin")
    def set_timeouts(connection: sa.Connection) -> None:
        driver_connection: Any = connection.connection.dbapi_connection
        if not driver_connection.autocommit:
            connection.exec_driver_sql(POSTGRES_LIMITS)

    return engine


def make_engine(url: sa.URL) -> sa.Engine:
    """Create the engine for migrations; create a missing SQLite file, readable only by its owner."""
    if url.get_backend_name() != "sqlite":
        return make_postgres_engine(url)
    path = Path(url.database or "")
    if not path.exists():
        check_not_lost(path)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode=0o600))
    engine = sa.create_engine(
        url,
        poolclass=sa.NullPool,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # SQLite sets auto_vacuum only in an empty file.
        if path.stat().st_size == 0:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        # Batch mode copies a table and drops the old one. With foreign keys on, the drop would delete the rows that
        # refer to it; without legacy_alter_table, a view of the table would stop the migration. Neither can be set
        # inside a transaction.
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA legacy_alter_table=ON")
        # A running service checkpoints the WAL; two processes that do so can corrupt the file (WAL-reset bug).
        connection.execute("PRAGMA wal_autocheckpoint=0")

    # Otherwise sqlite3 commits before each schema change, and a failed migration cannot be rolled back or repeated.
    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def check_not_lost(path: Path) -> None:
    """Raise CommandError if files of a lost database remain: a new, empty database would hide the loss."""
    names = (f"{path.name}-wal", f"{path.name}.before-")
    left = [other for other in path.parent.iterdir() if other.name.startswith(names)]
    if left:
        raise CommandError(
            f"{path} is missing, but {max(left)} exists; put the database back or restore a backup"
            " (python -m app restore); to start with an empty database, move that file away"
        )


def keep_autoincrement(table: sa.Table, connection: sa.Connection, **_arguments: object) -> None:
    """Keep AUTOINCREMENT in the copy of a table; batch mode drops it."""
    if connection.dialect.name == "sqlite" and table.name.startswith(COPY_PREFIX):
        original = connection.scalar(
            sa.text("SELECT sql FROM sqlite_master WHERE name = :name"),
            {"name": table.name.removeprefix(COPY_PREFIX)},
        )
        table.dialect_options["sqlite"]["autoincrement"] |= "AUTOINCREMENT" in (original or "")


def keep_last_id(table: sa.Table, connection: sa.Connection, **_arguments: object) -> None:
    """Copy the last id that was used, in case its row has been deleted."""
    if table.name.startswith(COPY_PREFIX) and table.dialect_options["sqlite"]["autoincrement"]:
        last_id = sa.text(
            "INSERT INTO sqlite_sequence (name, seq) SELECT :copy, seq FROM sqlite_sequence WHERE name = :name"
        )
        connection.execute(last_id, {"copy": table.name, "name": table.name.removeprefix(COPY_PREFIX)})


@contextmanager
def autoincrement_kept() -> Iterator[None]:
    """Keep SQLite's AUTOINCREMENT and its counters when batch mode copies a table."""
    sa.event.listen(sa.Table, "before_create", keep_autoincrement)
    sa.event.listen(sa.Table, "after_create", keep_last_id)
    try:
        yield
    finally:
        sa.event.remove(sa.Table, "before_create", keep_autoincrement)
        sa.event.remove(sa.Table, "after_create", keep_last_id)


@contextmanager
def migration_lock(engine: sa.Engine) -> Iterator[None]:
    """Let one migration at a time run on PostgreSQL; on SQLite, BEGIN IMMEDIATE does so."""
    if engine.dialect.name != "postgresql":
        yield
        return
    # On a connection of its own, because a revision may commit midway. It polls, because a waiting statement holds a
    # snapshot, and so does one with parameters until its transaction ends; CREATE INDEX CONCURRENTLY waits for both.
    with engine.connect() as connection:
        while not connection.scalar(sa.text(f"SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})")):
            connection.rollback()
            time.sleep(LOCK_POLL_S)
        yield


def record_compatibility(*, ctx: MigrationContext, heads: set[str], **_arguments: object) -> None:
    """Store, in the revision's transaction, the oldest revision whose release works with the new tables.

    A release does not know later revisions; it reads this row. A revision without `compatible_since` counts as
    incompatible with all earlier ones.
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
    """Raise CommandError if the block leaves new broken foreign keys, which SQLite does not enforce meanwhile.

    References that were broken before, such as by deletions with `sqlite3`, are ignored.
    """
    before = broken_references(connection)
    yield
    for (table, parent), count in (broken_references(connection) - before).items():
        raise CommandError(f"the migration would leave {count} rows in {table} that refer to missing rows in {parent}")


def broken_references(connection: sa.Connection) -> Counter[tuple[str, str]]:
    """Count the broken foreign keys by (table, parent table); PostgreSQL has none."""
    if connection.dialect.name != "sqlite":
        return Counter()
    return Counter((row.table, row.parent) for row in connection.execute(sa.text("PRAGMA foreign_key_check")))


def include_object(_object: object, _name: str | None, kind: str, reflected: bool, compare_to: object | None) -> bool:
    """Ignore tables that the models do not define."""
    return not (kind == "table" and reflected and compare_to is None)


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Render UtcDateTime as its plain type, because revisions import nothing from the application."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def number_revision(_context: MigrationContext, _revision: object, scripts: list[MigrationScript]) -> None:
    """Give a new revision the next number; the service finds the newest revision by its file name."""
    for script in scripts:
        if not getattr(context.config.cmd_opts, "rev_id", None):
            script.rev_id = f"{int(schema_revision()) + 1:04}"


def unknown_revision(connection: sa.Connection) -> str:
    """Return the error message for a database whose revision is not in `alembic/versions`."""
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
            f"{problem} Its table matches revision {adopted}; to adopt it, run:"
            f" alembic stamp --purge {adopted} && alembic upgrade head"
        )
    return f"{problem} It was created by a newer version of PixelWise, or by another program"


def migrate(connection: sa.Connection) -> None:
    """Run the migrations: on SQLite in one transaction, on PostgreSQL in one per revision.

    PostgreSQL holds locks on tables until the commit; SQLite locks the whole file in any case.
    """
    context.configure(
        connection=connection,
        target_metadata=models.Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,
        transaction_per_migration=connection.dialect.name == "postgresql",
        on_version_apply=record_compatibility,
        compare_server_default=True,
        include_object=include_object,
        render_item=render_item,
        process_revision_directives=number_revision,
    )
    with autoincrement_kept(), context.begin_transaction(), foreign_keys_checked(connection):
        context.run_migrations()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Exit with one line for errors that an operator can fix."""
    try:
        with translated_errors():
            yield
    except (CommandError, ConfigurationError, DatabaseError, OSError) as error:
        raise SystemExit(f"pixelwise: {error}") from error


def run() -> None:
    """Run the given Alembic command on the configured database."""
    # Only for the command line: a program that calls Alembic configures its own log.
    if context.config.cmd_opts and context.config.config_file_name:
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    if context.is_offline_mode():
        raise CommandError("--sql is not supported, because migrations read the database")
    engine = make_engine(checked_url(get_settings().database_url))
    with migration_lock(engine), engine.connect() as connection:
        try:
            migrate(connection)
        except CommandError as error:
            if not str(error).startswith("Can't locate revision"):
                raise
            raise CommandError(unknown_revision(connection)) from error


with one_line_errors():
    run()
