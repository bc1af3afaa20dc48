"""`copy-to`: from SQLite to PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import context
from app.cli.exit_codes import Failure, Status
from app.cli.tables import print_table
from app.cli.terminal import Json, print_json, progress, say

if TYPE_CHECKING:
    from app.database import Database


def copy_to(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="postgresql://... of an empty database; ${NAME} stands for a line in .env."),
    ],
    as_json: Json = False,
) -> None:
    """Copy everything from SQLite to PostgreSQL.

    With all ids, and compared at the end. Stop the service first: what it stores meanwhile is not copied. Interrupted
    and started again, it goes on where it was. The tables must be there: DATABASE_URL=postgresql://... alembic upgrade
    head makes them.

    Example: python -m app copy-to 'postgresql://pixelwise:${DB_PASSWORD}@localhost/pixelwise'
    """
    # Imported here because what lies behind it takes longer to load than `--help` may.
    from app.services.copy_to import copy_to as copy

    with progress() as bars, context.opened() as source, _opened(url) as target:
        task = bars.add_task("Reading", total=None)
        copied = copy(
            source,
            target,
            lambda step, done, total: bars.update(task, description=step, completed=done, total=total),
        )
    if as_json:
        print_json(copied)
        return
    rows = [(name, table.rows, table.resumed, table.checksum[:12]) for name, table in copied.tables.items()]
    print_table(("table", "rows", "copied before", "checksum"), rows)
    say("Both databases hold the same. Let DATABASE_URL name the new one, and start the service.")


@contextmanager
def _opened(url: str) -> Iterator["Database"]:
    """Open the database to copy to; raise Failure when it, or that of the settings, is of the wrong kind."""
    from app.database import Database

    given = context.checked_url(url)
    if not context.database_url().startswith("sqlite") or not given.startswith("postgresql"):
        raise Failure("DATABASE_URL must name an SQLite file, and URL begin with postgresql://", Status.WRONG_USAGE)
    target = Database(given)
    try:
        if problem := target.schema_problem():
            raise Failure(f"the database to copy to: {problem}", Status.CANNOT_WORK)
        yield target
    finally:
        target.close()
