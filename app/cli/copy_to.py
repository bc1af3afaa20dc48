from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import context
from app.cli.exit_codes import CommandError, ExitCode
from app.cli.options import Json
from app.cli.tables import print_table
from app.cli.terminal import print_json, progress_bar, say

if TYPE_CHECKING:
    from app.database import Database


def copy_to(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="postgresql://... of an empty database; ${NAME} is replaced by its value in .env."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Copy everything from SQLite to PostgreSQL.

    Stop the service and create the tables first: DATABASE_URL=postgresql://... alembic upgrade head. Run an interrupted
    copy again to continue. At the end both databases are compared.

    Example: python -m app copy-to 'postgresql://pixelwise:${DB_PASSWORD}@localhost/pixelwise'
    """
    from app.services.copy_to import copy_to as copy

    target_url = _target_url(url)
    _refuse_used_source()
    opened_target = context.open_database(target_url, at_any_revision=True)
    with progress_bar("Reading") as progress, context.open_database() as source, opened_target as target:
        _check_schema(target)
        copied = copy(source, target, progress)
    if as_json:
        print_json(copied)
        return
    rows = [(name, table.rows, table.resumed, table.checksum[:12]) for name, table in copied.tables.items()]
    print_table(("table", "rows", "copied before", "checksum"), rows)
    say("Both databases are equal. Set DATABASE_URL to the new one and start the service.")


def _refuse_used_source() -> None:
    """Raise CopyError if the service still uses the SQLite file: new rows would be left behind."""
    from app.config import get_settings
    from app.database.sqlite.copies import used_by_nobody
    from app.database.url import parse_database_url, sqlite_path

    url = parse_database_url(get_settings().database_url)
    if url.get_backend_name() == "sqlite":
        with used_by_nobody(sqlite_path(url)):
            pass


def _target_url(url: str) -> str:
    """Raise BadParameter, or CommandError for the wrong kind of database."""
    from app.config import ConfigurationError, checked_database_url, get_settings
    from app.database.url import parse_database_url

    source_url = get_settings().database_url
    try:
        target_url = checked_database_url(url)
        parse_database_url(target_url)
    except ConfigurationError as error:
        name, _, reason = str(error).partition(" ")
        # Otherwise it is about a setting in the URL.
        if name in ("DATABASE_URL", "DATABASE_URL:"):
            raise typer.BadParameter(reason, param_hint="URL") from None
        raise
    if not source_url.startswith("sqlite") or not target_url.startswith("postgresql"):
        raise CommandError(
            "DATABASE_URL must name an SQLite file, and URL must begin with postgresql://", ExitCode.USAGE_ERROR
        )
    return target_url


def _check_schema(target: "Database") -> None:
    if problem := target.schema_problem():
        text = f"the database to copy to: {problem.replace('DATABASE_URL', 'URL')}"
        raise CommandError(text, ExitCode.UNAVAILABLE)
