from app.cli import context
from app.cli.exit_codes import CommandError, ExitCode
from app.cli.terminal import say


def upgrade() -> None:
    """Create or upgrade the tables; safe to repeat.

    Example: python -m app upgrade
    """
    from alembic.config import Config

    from alembic import command
    from app.config import PROJECT_FOLDER
    from app.database.schema_version import schema_revision

    try:
        command.upgrade(Config(PROJECT_FOLDER / "alembic.ini"), "head")
    except SystemExit as error:
        # alembic/env.py adds the prefix, too.
        raise CommandError(str(error).removeprefix("pixelwise: "), ExitCode.UNAVAILABLE) from error
    with context.open_database():
        pass
    say(f"The database is at revision {schema_revision()}.")
