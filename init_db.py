"""Create the tables, or bring them up to date; safe to repeat."""

from pathlib import Path

from alembic.config import Config

from alembic import command
from app.config import ConfigurationError
from app.database import get_database
from app.database.schema_version import schema_revision


def main() -> None:
    """Run `alembic upgrade head` and say what it did; end with status 1 and one line if it cannot."""
    try:
        database = get_database()
        problem = database.schema_problem()
        database.close()
    except ConfigurationError as error:
        raise SystemExit(f"pixelwise: {error}") from error
    # The tables of a newer release that this one can use are left to that one, whose migrations are not here.
    if problem is not None:
        command.upgrade(Config(Path(__file__).with_name("alembic.ini")), "head")
    done = "was up to date already" if problem is None else "is ready"
    print(f"The database {done} (revision {schema_revision()}).")


if __name__ == "__main__":
    main()
