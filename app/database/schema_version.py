"""Which tables this release works on: those of its newest revision, and newer ones that say so themselves."""

from functools import cache

from sqlalchemy import Connection, inspect, text

from app.config import PROJECT_FOLDER
from app.database.errors import UPGRADE


@cache
def schema_revision() -> str:
    """Return the newest revision in `alembic/versions`, read from the file names: `0003_….py` is `0003`."""
    return max(path.name[:4] for path in (PROJECT_FOLDER / "alembic" / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def schema_problem(connection: Connection) -> str | None:
    """Return None when this release works on the tables as they are, or one line that says what to do."""
    tables = inspect(connection).get_table_names()
    found = None
    if "alembic_version" in tables:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    needed = schema_revision()
    if found == needed:
        return None
    if found is None:
        state = "was made by PixelWise 0.5" if "predictions" in tables else "is empty"
        return f"the database {state}; {UPGRADE}"
    if not (found.isdigit() and len(found) == 4):
        return f"the database is at revision {found}, which is none of PixelWise's; {UPGRADE}, it says more"
    if found > needed >= _compatible_since(connection, tables, found):
        return None
    if found < needed:
        return f"the database is at revision {found}, this version of PixelWise needs {needed}; {UPGRADE}"
    return f"the database is at revision {found}, newer than this PixelWise ({needed}); update PixelWise"


def _compatible_since(connection: Connection, tables: list[str], revision: str) -> str:
    """Return the oldest revision whose release works on the tables as this newer one left them.

    The migrations wrote it down; without a word about this very revision it is the revision itself.
    """
    if "schema_compatibility" not in tables:
        return revision
    told = connection.scalar(
        text("SELECT compatible_since FROM schema_compatibility WHERE revision = :revision"), {"revision": revision}
    )
    return told or revision
