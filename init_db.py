"""Create or upgrade the database's tables. Safe to repeat."""

from pathlib import Path

from alembic.config import Config

import app.models  # noqa: F401  # The tables to check.
from alembic import command
from app.config import ConfigurationError, get_settings
from app.database import Database
from app.database.schema_version import schema_revision


def main() -> None:
    """Run `alembic upgrade head` and print the result; on failure, exit with status 1 and one line."""
    try:
        problem = schema_problem()
        # Tables of a newer, compatible release are no problem; its migrations are not here.
        if problem is not None:
            command.upgrade(Config(Path(__file__).with_name("alembic.ini")), "head")
            if (remaining := schema_problem()) is not None:
                raise SystemExit(f"pixelwise: {remaining}")
    except ConfigurationError as error:
        raise SystemExit(f"pixelwise: {error}") from error
    done = "was already up to date" if problem is None else "is ready"
    print(f"The database {done} (revision {schema_revision()}).")


def schema_problem() -> str | None:
    """Return None, or why the service cannot use the tables."""
    database = Database(get_settings().database_url, beside_service=True)
    try:
        return database.schema_problem()
    finally:
        database.close()


if __name__ == "__main__":
    main()
