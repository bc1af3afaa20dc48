"""Create or upgrade the database's tables. Safe to repeat."""

from pathlib import Path

from alembic.config import Config

from alembic import command
from app.config import ConfigurationError
from app.database import get_database
from app.database.schema_version import schema_revision


def main() -> None:
    """Run `alembic upgrade head` and print the result; on failure, exit with status 1 and one line."""
    try:
        database = get_database()
        problem = database.schema_problem()
        database.close()
    except ConfigurationError as error:
        raise SystemExit(f"pixelwise: {error}") from error
    # Tables of a newer, compatible release are no problem; its migrations are not here.
    if problem is not None:
        command.upgrade(Config(Path(__file__).with_name("alembic.ini")), "head")
    done = "was already up to date" if problem is None else "is ready"
    print(f"The database {done} (revision {schema_revision()}).")


if __name__ == "__main__":
    main()
