from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.errors import TransactionResolutionUnknown
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from app.database.base import to_json
from app.database.errors import DatabaseUnavailable
from app.database.limits import BUSY_TIMEOUT_S, SCANNERS
from app.database.postgres.remedies import add_remedies, refuse_missing_privileges

# For writes, and as many for reads.
POSTGRES_THREADS: Final = 5

# The migrations use CREATE OR REPLACE TRIGGER.
OLDEST_SERVER: Final = 14

# Python's texts need it.
_ENCODING: Final = "UTF8"

_CONNECT_ARGS: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "client_encoding": _ENCODING,
    # In milliseconds; ends connections to a machine that is gone.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "autocommit": True,
}

# Set in every transaction, because a pooler may change the connection. In milliseconds.
_LIMITS: Final = (
    "SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 2000;"
    " SET LOCAL idle_in_transaction_session_timeout = 10000"
)

_BEGIN: Final = f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = on; {_LIMITS}"

# One snapshot for all statements. A standby may be promoted, and then accepts writes.
_BEGIN_READ: Final = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_LIMITS}"

_BEGIN_SCAN: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 120000;"
    " SET LOCAL idle_in_transaction_session_timeout = 120000"
)

# Requests queue behind a waiting migration; its lock_timeout is shorter, so that they do not fail.
_MIGRATION_LIMITS: Final = (
    "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;"
    " SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
)


_TIME: Final = psycopg.adapters.types["timestamptz"].oid


class _ReadableOrNone(Loader):
    """Reads a time that Python cannot hold, such as infinity, as None."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        loader = psycopg.adapters.get_loader(oid, self.format)
        assert loader is not None
        self._loader = loader(oid, context)

    def load(self, data: Buffer) -> datetime | None:
        try:
            time: datetime = self._loader.load(data)
        except psycopg.DataError:
            return None
        return time


class PostgresDialect(PGDialect_psycopg):
    supports_statement_cache = True

    def __init__(self, begin: str = "BEGIN", **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._begin = begin

    def do_begin(self, dbapi_connection: Any) -> None:
        dbapi_connection.execute(self._begin)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Raise TransactionResolutionUnknown if the connection broke."""
        try:
            dbapi_connection.commit()
        except psycopg.OperationalError as error:
            if dbapi_connection.closed:
                raise TransactionResolutionUnknown(str(error)) from error
            raise


registry.register("postgresql.pixelwise", __name__, PostgresDialect.__name__)


def postgres_write_engine(url: URL) -> Engine:
    return _engine(url, _BEGIN, pool_size=POSTGRES_THREADS)


def postgres_read_engine(url: URL, setting: str = "DATABASE_URL") -> Engine:
    return _engine(url, _BEGIN_READ, pool_size=POSTGRES_THREADS, setting=setting)


def postgres_scan_engine(url: URL, setting: str = "DATABASE_URL") -> Engine:
    return _engine(url, _BEGIN_SCAN, pool_size=SCANNERS, setting=setting)


def postgres_migration_engine(url: URL, *, read_only: bool) -> Engine:
    engine = create_engine(
        url,
        poolclass=NullPool,
        # PgBouncer may change the connection in each transaction.
        connect_args={"connect_timeout": 3, "client_encoding": _ENCODING, "prepare_threshold": None},
    )
    add_remedies(engine)
    event.listen(engine, "connect", _set_up)

    @event.listens_for(engine, "begin")
    def set_limits(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        if not driver.autocommit:
            connection.exec_driver_sql(_MIGRATION_LIMITS + ("; SET TRANSACTION READ ONLY" if read_only else ""))
        elif not is_pooled(driver):
            driver.execute("SET lock_timeout = 0; SET statement_timeout = 0")

    return engine


def _engine(url: URL, begin: str, *, pool_size: int, setting: str = "DATABASE_URL") -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+pixelwise"),
        begin=begin,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_S,
        pool_recycle=1800,
        connect_args=_CONNECT_ARGS,
        json_serializer=to_json,
    )
    add_remedies(engine, setting)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "connect", _disable_prepared_statements_behind_pooler)
    return engine


def _set_up(connection: psycopg.Connection, _record: object) -> None:
    """Set what poolers keep for each client; raise DatabaseUnavailable for an old server or another encoding."""
    if (version := connection.info.server_version // 10_000) < OLDEST_SERVER:
        raise DatabaseUnavailable(f"the PostgreSQL server has version {version}; it must be {OLDEST_SERVER} or newer")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in (_ENCODING, None):
        raise DatabaseUnavailable(
            f"the database has the encoding {encoding}, which lacks most characters; dump it, and restore it into one"
            f" made with createdb --encoding={_ENCODING} --template=template0"
        )
    connection.adapters.register_loader(_TIME, _ReadableOrNone)
    # The driver reads only these dates, and none before year 1, as other zones have.
    connection.execute("SET datestyle = ISO; SET TIME ZONE 'UTC'")
    connection.commit()


def _disable_prepared_statements_behind_pooler(connection: psycopg.Connection, _record: object) -> None:
    if is_pooled(connection):
        connection.prepare_threshold = None


def is_pooled(connection: psycopg.Connection) -> bool:
    """Recognise a pooler by a process id that is not the server's."""
    return connection.execute("SELECT pg_backend_pid()").fetchone() != (connection.info.backend_pid,)


def check_server(connection: Connection) -> None:
    refuse_lossy_commits(connection)
    refuse_missing_privileges(connection)


def refuse_lossy_commits(connection: Connection) -> None:
    """Raise DatabaseUnavailable if the server acknowledges before it syncs."""
    settings = connection.execute(
        text("SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit")
    )
    for name, value in settings.mappings().one().items():
        if value == "off":
            raise DatabaseUnavailable(
                f"the PostgreSQL server has {name} = off and may lose acknowledged rows; set it to on and reload it"
            )
