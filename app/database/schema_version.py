"""Check that this release can use the tables."""

from functools import cache

from sqlalchemy import Connection, inspect, text

from app.config import PROJECT_FOLDER
from app.database.errors import UPGRADE


@cache
def schema_revision() -> str:
    return max(path.name[:4] for path in (PROJECT_FOLDER / "alembic" / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def schema_problem(connection: Connection) -> str | None:
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
        return f"the database is at revision {found}, which is not one of PixelWise; {UPGRADE} for details"
    if found > needed >= _compatible_since(connection, tables, found):
        return None
    if found < needed:
        return f"the database is at revision {found}, this version of PixelWise needs {needed}; {UPGRADE}"
    return f"the database is at revision {found}, newer than this PixelWise ({needed}); update PixelWise"


def _compatible_since(connection: Connection, tables: list[str], revision: str) -> str:
    """Return the oldest revision whose release works on these tables."""
    if "schema_compatibility" not in tables:
        return revision
    since = connection.scalar(
        text("SELECT compatible_since FROM schema_compatibility WHERE revision = :revision"), {"revision": revision}
    )
    return since or revision
