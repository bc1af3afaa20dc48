"""The network between service and PostgreSQL fails silently while a statement runs.

`python -m benchmarks.faults.network`; half a minute. Needs root, for a network namespace, and Debian's packages
postgresql and iproute2.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable

from sqlalchemy import text

from app.database import Database
from app.database.errors import DatabaseError
from benchmarks.report import table
from tests.support.databases import migrate
from tests.support.postgres_cluster import postgres_cluster

HEADING = ("request", "outcome", "s after the network failed or returned")
# 1.5 times the connection's own timeout.
PATIENCE_S = 15.0


def network(state: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


async def outcome(name: str, request: Awaitable[object]) -> tuple[str, str, float]:
    began = time.monotonic()
    try:
        await request
    except DatabaseError as error:
        return name, type(error).__name__, time.monotonic() - began
    return name, "answered", time.monotonic() - began


async def drill(database: Database) -> list[tuple[str, str, float]]:
    """Turn the network off and on; return the outcome of a request before, during and after the failure."""
    under_way = asyncio.create_task(database.write(lambda session: session.execute(text("SELECT pg_sleep(4)"))))
    await asyncio.sleep(1)
    network("down")
    new = database.write(lambda session: session.execute(text("SELECT 1")))
    found = await asyncio.gather(outcome("running", under_way), outcome("new", new))
    network("up")
    after = database.write(lambda session: session.execute(text("SELECT 1")))
    return [*found, await outcome("afterwards", after)]


def main() -> int:
    """Run the drill in a network namespace of its own."""
    if "--inside" not in sys.argv:
        return subprocess.run(["unshare", "--net", sys.executable, "-m", __spec__.name, "--inside"]).returncode
    network("up")
    with postgres_cluster() as cluster:
        url = cluster.new_database()
        migrate(url)
        database = Database(url.replace("postgresql://", "postgresql+psycopg://"))
        try:
            found = asyncio.run(asyncio.wait_for(drill(database), 4 * PATIENCE_S))
        finally:
            database.close()
    print(table(HEADING, [[name, what, f"{seconds:.1f}"] for name, what, seconds in found]))
    kept = [what for _, what, _ in found] == ["DatabaseUnavailable", "DatabaseUnavailable", "answered"]
    return 0 if kept and max(seconds for *_, seconds in found) <= PATIENCE_S else 1


if __name__ == "__main__":
    sys.exit(main())
