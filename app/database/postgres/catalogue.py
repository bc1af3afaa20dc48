from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import NullType, TypeEngine

_COLUMNS: Final = text(
    "SELECT relname, attname, format_type(atttypid, NULL)"
    " FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
    " WHERE relname = ANY(:names) AND relkind IN ('r', 'p') AND pg_table_is_visible(pg_class.oid)"
    " AND attnum > 0 AND NOT attisdropped"
)


def table_columns(connection: Connection, names: Iterable[str]) -> dict[str, dict[str, TypeEngine[Any]]]:
    """Return the columns of the tables with these names, a fifth of the work of SQLAlchemy's inspector."""
    tables: dict[str, dict[str, TypeEngine[Any]]] = {}
    for table, column, kind in connection.execute(_COLUMNS, {"names": list(names)}):
        tables.setdefault(table, {})[column] = ischema_names.get(kind, NullType)()
    return tables
