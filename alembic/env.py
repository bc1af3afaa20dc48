"""Run migrations: on a connection of their own, one at a time, and record which older releases stay compatible."""

import time
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
from app.cli.exit_codes import ExitCode
from app.cli.terminal import progress_bar, say
from app.config import ConfigurationError, get_settings
from app.database import Database
from app.database.base import UtcDateTime
from app.database.errors import UPGRADE, DatabaseError, describe, translated_errors
from app.database.revision_files import revision_files_problem
from app.database.schema_version import found_revision, schema_problem, schema_revision
from app.database.sqlite.batch_copies import copies_complete
from app.database.sqlite.foreign_keys import BrokenReferences, foreign_keys_checked
from app.database.sqlite.migration_engine import is_missing, migration_engine, question_engine
from app.database.url import parse_database_url
from app.services import counts

# An arbitrary number, the same in every release, so that two upgrades of one database exclude each other.
ADVISORY_LOCK = 0x50495857

LOCK_POLL_S = 0.2


def say_waiting() -> None:
    say("pixelwise: waiting for another program that changes the database")


def make_engine(url: sa.URL, *, write: bool) -> sa.Engine:
    """Create the engine; to write, create a missing SQLite file."""
    if url.get_backend_name() == "sqlite":
        return migration_engine(url, say_waiting) if write else question_engine(url)
    from app.database.postgres.engine import postgres_migration_engine

    return postgres_migration_engine(url, read_only=not write)


@contextmanager
def migration_lock(engine: sa.Engine) -> Iterator[None]:
    """Let one migration at a time run on PostgreSQL; on SQLite, BEGIN IMMEDIATE does so."""
    if engine.dialect.name != "postgresql":
        yield
        return
    # On a connection of its own, because a revision may commit midway. It polls, because a waiting statement holds a
    # snapshot, and so does one with parameters until its transaction ends; CREATE INDEX CONCURRENTLY waits for both.
    with engine.connect() as connection:
        waits = False
        while not connection.scalar(sa.text(f"SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})")):
            connection.rollback()
            if not waits:
                say_waiting()
            waits = True
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
    found = execute(sa.text("SELECT max(compatible_since) FROM schema_compatibility")).scalar()
    execute(sa.text("DELETE FROM schema_compatibility"))
    if since is not None:
        # The rows may need more than the tables; see revision 0012.
        since = max(since, min(found or since, max(heads)))
        statement = sa.text("INSERT INTO schema_compatibility VALUES (:revision, :since)")
        execute(statement, {"revision": max(heads), "since": since})


def add_conditions_for_postgresql(metadata: sa.MetaData) -> None:
    """Give partial indexes the same condition on PostgreSQL as on SQLite."""
    for table in metadata.tables.values():
        for index in table.indexes:
            if "sqlite_where" in index.dialect_kwargs:
                index.dialect_kwargs["postgresql_where"] = index.dialect_kwargs["sqlite_where"]


def include_object(_object: object, name: str | None, kind: str, reflected: bool, compare_to: object | None) -> bool:
    """Ignore tables that the models do not define, and the index of PostgreSQL's extension."""
    is_other = kind == "table" or name == "ix_predictions_notes_trigrams"
    return not (is_other and reflected and compare_to is None)


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
    found = found_revision(connection)
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


def configure(connection: sa.Connection) -> None:
    """Configure Alembic: on SQLite one transaction for all revisions, on PostgreSQL one for each.

    PostgreSQL holds locks on tables until the commit; SQLite locks the whole file in any case.
    """
    add_conditions_for_postgresql(models.Base.metadata)
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


def has_steps(url: sa.URL) -> bool:
    """Return whether the command changes the database; answer those that only ask, such as `alembic current`."""
    with make_engine(url, write=False).connect() as connection:
        configure(connection)
        command = context.get_context()
        if is_missing(url):
            refuse_question(url, command.opts)
        if command.opts["fn"].__name__ == "do_ensure_version":
            raise CommandError(f"ensure_version is not supported; {UPGRADE}")
        if command.purge:
            return True
        heads = command.get_current_heads()
        try:
            # The command's own function: it prints the answer, or returns the revisions to run.
            steps = command.opts["fn"](heads, command)
        except CommandError as error:
            # The unknown revision may be the one of the command.
            if not any(f"Can't locate revision identified by '{head}'" in str(error) for head in heads):
                raise
            if is_upgrade_to_head(command) and schema_problem(connection) is None:
                # Tables of a newer, compatible release; its migrations are not here.
                return False
            raise CommandError(unknown_revision(connection)) from error
        return any(True for _ in steps)


def is_upgrade_to_head(command: MigrationContext) -> bool:
    return command.opts["fn"].__name__ == "upgrade" and command.opts["destination_rev"] in ("head", "heads")


def refuse_question(url: sa.URL, opts: dict[str, Any]) -> None:
    """Raise CommandError for `current`, `check` and `revision --autogenerate` without a database."""
    revision = opts.get("revision_context")
    if opts.get("dont_mutate") or (revision and revision.command_args["autogenerate"]):
        raise CommandError(f"there is no database at {Path(url.database or '').absolute()}; {UPGRADE}")


def migrate(url: sa.URL) -> None:
    """Run the migrations, one process at a time."""
    engine = make_engine(url, write=True)
    with migration_lock(engine), engine.connect() as connection:
        configure(connection)
        with (
            copies_complete(),
            context.begin_transaction(),
            foreign_keys_checked(connection, make_engine(url, write=False).connect),
        ):
            context.run_migrations()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Exit with one line for errors that an operator can fix."""
    try:
        with translated_errors():
            yield
    except (BrokenReferences, CommandError, ConfigurationError, DatabaseError, OSError) as error:
        raise SystemExit(f"pixelwise: {describe(error)}") from error
    except KeyboardInterrupt as error:
        # A program that calls Alembic says it itself.
        if not context.config.cmd_opts:
            raise
        say("pixelwise: interrupted; run it again")
        raise SystemExit(ExitCode.INTERRUPTED) from error


def complete_tables(url: sa.URL) -> None:
    """Count and list the predictions that the newest tables lack, beside a running service."""
    database = Database(url.render_as_string(hide_password=False), beside_service=True)
    try:
        # An earlier revision, or tables that are gone.
        if database.schema_problem() is not None:
            return
        with progress_bar("Counting predictions") as progress:
            counts.complete_tables(database, progress)
    finally:
        database.close()


def run() -> None:
    """Run the given Alembic command on the configured database."""
    # Only for the command line: a program that calls Alembic configures its own log.
    if context.config.cmd_opts and context.config.config_file_name:
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    if context.is_offline_mode():
        raise CommandError("--sql is not supported, because migrations read the database")
    if problem := revision_files_problem():
        raise CommandError(problem)
    url = parse_database_url(get_settings().database_url)
    if has_steps(url):
        migrate(url)
    if context.get_context().opts["fn"].__name__ == "upgrade":
        complete_tables(url)


with one_line_errors():
    run()
