"""What waits for a database, and what uses it."""

from sqlalchemy import QueuePool

from app.database import Database
from app.database.pending_jobs import PendingJobs


def pending_writes(database: Database) -> PendingJobs:
    return database._pools().writer.pending


def open_scans(database: Database) -> int:
    pool = database._pools().scanner.engine.pool
    return pool.checkedout() if isinstance(pool, QueuePool) else 0
