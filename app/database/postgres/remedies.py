"""Remedies for PostgreSQL's errors that an operator can fix."""

import re
from typing import Final

from psycopg import sql
from sqlalchemy import Connection, Engine, ExceptionContext, event, text

from app.database.base import Base
from app.database.errors import DatabaseUnavailable

_GRANT_CREATE: Final = "GRANT USAGE, CREATE ON SCHEMA public TO {role}"
_GRANT_ROWS: Final = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};"
    " GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}"
)
# By SQLSTATE.
_REMEDIES: Final = {
    "25006": "the server accepts no writes (a standby, or default_transaction_read_only = on); name the primary server",
    "28000": "correct the user in {setting}, or create the role and allow it to connect",
    "28P01": "correct the user and the password in {setting}",
    "3D000": "create it with createdb, or correct the name in {setting}",
    "3F000": _GRANT_CREATE,
}
_NO_PRIVILEGE: Final = "42501"
# A refused connection has no SQLSTATE.
_REFUSALS: Final = {
    'FATAL:  database ".*" does not exist': _REMEDIES["3D000"],
    'FATAL:  role "': _REMEDIES["28000"],
    "FATAL:  password authentication failed": _REMEDIES["28P01"],
    "Connection refused": "start the server, or correct the host and the port in {setting}",
}


_LACKING: Final = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND (
  relname = ANY(:tables) AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT'))
  OR relname = ANY(:tables) AND relname <> 'audit_log'
    AND NOT (has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
  OR relname = ANY(:views) AND NOT has_table_privilege(oid, 'SELECT')
  OR relname = ANY(:sequences) AND NOT has_sequence_privilege(oid, 'USAGE'))
ORDER BY relname LIMIT 1
"""


def refuse_missing_privileges(connection: Connection) -> None:
    """Raise DatabaseUnavailable if the role may not read, add, change and delete rows."""
    tables = Base.metadata.tables
    counts = [name for name in tables if name.endswith("_counts")]
    changes = [name.replace("_counts", "_changes") for name in counts]
    views = ["unlabelled_drawings", *(f"{prefix}{name}" for prefix in ("v_", "new_") for name in counts)]
    sequences = [f"{name}_id_seq" for name, table in tables.items() if table.autoincrement_column is not None]
    lacking = connection.scalar(text(_LACKING), {"tables": [*tables, *changes], "views": views, "sequences": sequences})
    if lacking is not None:
        remedy = _with_role(_GRANT_ROWS, connection.engine.url.username)
        raise DatabaseUnavailable(f"permission denied for {lacking}; {remedy}")


def add_remedies(engine: Engine, setting: str = "DATABASE_URL") -> None:
    """Add them to the errors of the engine whose URL is in this setting."""

    @event.listens_for(engine, "handle_error")
    def add_remedy(context: ExceptionContext) -> None:
        original = context.original_exception
        if isinstance(original, DatabaseUnavailable):
            # It has passed here before.
            return
        cause = str(original).strip().partition("\n")[0]
        remedy = _remedy(original, cause)
        if remedy is not None:
            remedy = _with_role(remedy.replace("{setting}", setting), engine.url.username)
            raise DatabaseUnavailable(f"{cause}; {remedy}") from original


def _remedy(error: BaseException, cause: str) -> str | None:
    state = getattr(error, "sqlstate", None)
    if state is None:
        return next((remedy for part, remedy in _REFUSALS.items() if re.search(part, cause)), None)
    if state != _NO_PRIVILEGE:
        return _REMEDIES.get(state)
    if "owner" in cause:
        return "run it as the role that owns the tables"
    return _GRANT_CREATE if "schema" in cause else _GRANT_ROWS


def _with_role(remedy: str, user: str | None) -> str:
    if "{role}" not in remedy:
        return remedy
    role = sql.Identifier(user).as_string() if user else "the role"
    return f"the owner of the database can run: {remedy.format(role=role)}"
