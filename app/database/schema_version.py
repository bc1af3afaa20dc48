"""Check that this release can use the tables."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.types import TypeEngine

from app.config import PROJECT_FOLDER
from app.database.base import Base
from app.database.errors import UPGRADE
from app.database.revision_files import revision_files_problem

_START_AGAIN: Final = "run: alembic stamp base && alembic upgrade head"
_ALIKE: Final[dict[type, type]] = {bool: int, dict: str}

_Tables = dict[str, dict[str, TypeEngine[Any]]]


@cache
def schema_revision() -> str:
    return max(path.name[:4] for path in (PROJECT_FOLDER / "alembic" / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def found_revision(connection: Connection) -> str | None:
    """Return the revision, which may be another release's."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def schema_problem(connection: Connection) -> str | None:
    """Check the revision and the tables of the imported models."""
    tables = _tables(connection)
    return revision_files_problem() or _revision_problem(connection, tables) or _tables_problem(tables)


def _tables(connection: Connection) -> _Tables:
    names = {"alembic_version", "schema_compatibility", "predictions", *Base.metadata.tables}
    if connection.dialect.name == "postgresql":
        from app.database.postgres.catalogue import table_columns

        return table_columns(connection, names)
    reflected = inspect(connection).get_multi_columns(filter_names=list(names))
    return {name: {column["name"]: column["type"] for column in columns} for (_, name), columns in reflected.items()}


def _revision_problem(connection: Connection, tables: Collection[str]) -> str | None:
    revisions: Sequence[str] = ()
    if "alembic_version" in tables:
        revisions = connection.scalars(text("SELECT version_num FROM alembic_version ORDER BY 1")).all()
    if len(revisions) > 1:
        return f"the database is at revisions {' and '.join(revisions)}; restore a backup from before the upgrade"
    found, needed = next(iter(revisions), None), schema_revision()
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


def _compatible_since(connection: Connection, tables: Collection[str], revision: str) -> str:
    """Return the oldest revision whose release works on these tables."""
    if "schema_compatibility" not in tables:
        return revision
    since = connection.scalar(
        text("SELECT compatible_since FROM schema_compatibility WHERE revision = :revision"), {"revision": revision}
    )
    return since or revision


def _tables_problem(tables: _Tables) -> str | None:
    if not Base.metadata.tables:
        raise RuntimeError("app.models is not imported, so there is no table to check")
    # First the one that people know.
    for name, table in sorted(Base.metadata.tables.items(), key=lambda named: named[0] != "predictions"):
        if name not in tables:
            return _incomplete(f"the table {name} is missing")
        for column in table.columns:
            found = tables[name].get(column.name)
            if found is None:
                return _incomplete(f"the table {name} has no column {column.name}")
            if _python_type(found) is not _python_type(column.type):
                return _incomplete(f"the column {name}.{column.name} has the type {found}")
    return None


def _python_type(kind: TypeEngine[Any]) -> type | None:
    try:
        found: type = kind.python_type
    except NotImplementedError:
        return None
    return _ALIKE.get(found, found)


def _incomplete(what: str) -> str:
    return f"{what}, although the database has a revision; restore a backup, or for an empty database {_START_AGAIN}"
