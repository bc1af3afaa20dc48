"""PostgreSQL: how PixelWise connects to it, how a transaction begins and commits there, and whether that is durable."""

from typing import Any, Final

import psycopg
from psycopg.errors import TransactionResolutionUnknown
from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from app.database.errors import DatabaseUnavailable
from app.database.limits import BUSY_TIMEOUT_S, SCANNERS

# Five connections for writes and five for reads: a thread never waits for a connection, and slow
# reads never keep a write from having one.
POSTGRES_THREADS: Final = 5

_CONNECT_ARGS: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    # A server whose machine is gone answers nothing, not even that: the connection is given up after ten seconds.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    # The driver leaves the BEGIN to us.
    "autocommit": True,
}

# Stated here and not left to the server's configuration: an acknowledged row is on disk, and no statement and no lock
# holds up a request for longer than a client waits. Stated in every transaction, since a pooler such as PgBouncer gives
# each another of the server's connections; it travels with the BEGIN and so costs no round trip.
_BEGIN: Final = (
    "BEGIN; SET LOCAL synchronous_commit = on; SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 2000;"
    " SET LOCAL idle_in_transaction_session_timeout = 10000"
)

# A scan may take longer, and whoever downloads an export may be slow; all of it sees one state of the database.
_BEGIN_SCAN: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 120000;"
    " SET LOCAL idle_in_transaction_session_timeout = 120000"
)


def postgres_engine(url: URL) -> Engine:
    """Make the engine that writes and reads; nothing is contacted before it is used."""
    return _engine(url, _BEGIN, pool_size=5, max_overflow=2 * POSTGRES_THREADS - 5)


def postgres_scan_engine(url: URL) -> Engine:
    """Make the engine for statistics over everything and for exports; nothing is contacted before it is used."""
    # An export keeps its connection between the pieces, while a thread scans with another.
    return _engine(url, _BEGIN_SCAN, pool_size=2 * SCANNERS, max_overflow=0)


def _engine(url: URL, begin: str, *, pool_size: int, max_overflow: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=BUSY_TIMEOUT_S,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args=_CONNECT_ARGS,
    )
    event.listen(engine, "connect", _prepare_nothing_behind_a_pooler)
    setattr(engine.dialect, "do_begin", lambda connection: connection.execute(begin))  # noqa: B010
    setattr(engine.dialect, "do_commit", _commit)  # noqa: B010
    return engine


def _prepare_nothing_behind_a_pooler(connection: psycopg.Connection, _record: object) -> None:
    """Do without prepared statements where the next transaction may run on a connection that has never seen them.

    A pooler gives itself away when a connection is made: the process it names is not the one that the server names.
    """
    if connection.execute("SELECT pg_backend_pid()").fetchone() != (connection.info.backend_pid,):
        connection.prepare_threshold = None


def _commit(connection: psycopg.Connection) -> None:
    try:
        connection.commit()
    except psycopg.OperationalError as error:
        if connection.closed:
            # The server may have committed and not have been able to say so.
            raise TransactionResolutionUnknown(str(error)) from error
        raise


def refuse_lossy_commits(connection: Connection) -> None:
    """Raise DatabaseUnavailable when the server does not wait for the disk before it acknowledges a commit."""
    settings = connection.execute(
        text("SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit")
    )
    for name, value in settings.mappings().one().items():
        if value == "off":
            raise DatabaseUnavailable(
                f"the PostgreSQL server has {name} = off and may lose what it acknowledged; set it to on and reload it"
            )
