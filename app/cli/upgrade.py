"""`upgrade`."""

from app.cli.exit_codes import Failure, Status
from app.cli.terminal import say


def upgrade() -> None:
    """Create the tables, or bring them up to date; safe to repeat.

    Example: python -m app upgrade
    """
    from alembic.config import Config

    from alembic import command
    from app.config import PROJECT_FOLDER
    from app.database.schema_version import schema_revision

    try:
        command.upgrade(Config(PROJECT_FOLDER / "alembic.ini"), "head")
    except SystemExit as error:
        # Its environment ends a program with a line like ours.
        raise Failure(str(error).removeprefix("pixelwise: "), Status.CANNOT_WORK) from error
    say(f"The database is at revision {schema_revision()}.")
