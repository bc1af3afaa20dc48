from app.cli import context
from app.cli.exit_codes import CommandError, ExitCode
from app.cli.terminal import say


def upgrade() -> None:
    """Create or upgrade the tables; safe to repeat.

    Example: python -m app upgrade
    """
    from app.database.migrations import upgrade_to_head
    from app.database.schema_version import found_revision

    try:
        upgrade_to_head()
    except SystemExit as error:
        # alembic/env.py adds the prefix, too.
        raise CommandError(str(error).removeprefix("pixelwise: "), ExitCode.UNAVAILABLE) from error
    except KeyboardInterrupt as error:
        raise CommandError("interrupted; run it again", ExitCode.INTERRUPTED) from error
    revision = context.read(lambda session: found_revision(session.connection()))
    say(f"The database is at revision {revision}.")
