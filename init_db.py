"""Create or upgrade the database's tables: `python init_db.py`. Safe to repeat.

The database is DATABASE_URL, in the environment or in .env.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app import fast_start, models  # noqa: F401  # The models are the tables to check.
from app.cli.exit_codes import ExitCode
from app.config import ConfigurationError, get_settings
from app.database import Database
from app.database.errors import DatabaseError, describe
from app.database.migrations import upgrade_to_head
from app.database.schema_version import found_revision
from app.repository.steps import is_anything_remaining

fast_start.collect_garbage_less_often()


def main(arguments: list[str]) -> None:
    """Run `alembic upgrade head` and print the result; on failure, exit with status 1 and one line."""
    if arguments in (["-h"], ["--help"]):
        print(__doc__.strip())
        return
    if arguments:
        raise SystemExit("pixelwise: init_db.py takes no arguments; see init_db.py --help")
    try:
        problem = schema_problem()
        # Tables of a newer, compatible release are no problem; its migrations are not here.
        if problem is not None:
            upgrade_to_head()
            if (remaining := schema_problem()) is not None:
                raise SystemExit(f"pixelwise: {remaining}")
        with configured_database() as database:
            was_complete = problem is None and not complete_tables(database)
            with database.snapshot() as session:
                revision = found_revision(session.connection())
    except (ConfigurationError, DatabaseError) as error:
        raise SystemExit(f"pixelwise: {describe(error)}") from error
    except KeyboardInterrupt as error:
        print("pixelwise: interrupted; run it again", file=sys.stderr)
        raise SystemExit(ExitCode.INTERRUPTED) from error
    done = "was already up to date" if was_complete else "is ready"
    print(f"The database {done} (revision {revision}).")


@contextmanager
def configured_database() -> Iterator[Database]:
    database = Database(get_settings().database_url, beside_service=True)
    try:
        yield database
    finally:
        database.close()


def complete_tables(database: Database) -> bool:
    """Go on with the counting of an interrupted upgrade; return whether there was something to do."""
    with database.snapshot() as session:
        if not is_anything_remaining(session):
            return False
    # Slow to load.
    from app.cli.terminal import progress_bar
    from app.services import counts

    with progress_bar("Counting predictions") as progress:
        counts.complete_tables(database, progress)
    return True


def schema_problem() -> str | None:
    """Return None, or why the service cannot use the tables."""
    with configured_database() as database:
        return database.schema_problem()


if __name__ == "__main__":
    main(sys.argv[1:])
