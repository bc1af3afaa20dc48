"""Stop PostgreSQL immediately and terminate its connections, repeatedly, under load, with and without PgBouncer.

`python -m benchmarks.faults.postgres [--clients 16] [--stops 3] [--terminations 10]`; about a minute. Creates its own
cluster; needs Debian's packages postgresql and pgbouncer.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks.report import table
from tests.support.databases import migrate
from tests.support.postgres_cluster import Cluster, pgbouncer, postgres_cluster
from tests.support.service_process import Load, missing, serving
from tests.support.waiting import wait_until

HEADING = (
    "pooler", "immediate stops", "terminations", "answers of 200", "503, nothing stored", "503, outcome unknown",
    "other answers", "lost", "longest time to the next 200, s",
)  # fmt: skip
# The service must answer this soon after the database server.
RECOVERY_S = 5.0

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


def seconds_until_answered(load: Load) -> float:
    began, answers = time.monotonic(), len(load.answers)
    wait_until(lambda: len(load.answers) > answers, "a drawing is acknowledged")
    return time.monotonic() - began


def stop_at_once(cluster: Cluster, load: Load) -> float:
    """Stop the server, wait until all clients were refused, start it; return the seconds to the next answer."""
    cluster.stop("immediate")
    refused = len(load.refused)
    wait_until(lambda: len(load.refused) > refused + load.clients, "everybody is refused")
    cluster.start()
    return seconds_until_answered(load)


def end_connections(cluster: Cluster, database: str, load: Load) -> float:
    """Terminate all connections to the database; return the seconds to the next answer."""
    with psycopg.connect(cluster.admin_url, autocommit=True) as operator:
        operator.execute(TERMINATE, [database])
    return seconds_until_answered(load)


def drill(cluster: Cluster, pooled: bool, arguments: argparse.Namespace) -> tuple[list[str], bool]:
    """Run the drill on one service; return a row of the table and whether the promises were kept."""
    server_url = cluster.new_database()
    migrate(server_url)
    database = server_url.rpartition("/")[2]
    pauses: list[float] = []
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        url = running.enter_context(pgbouncer(server_url)) if pooled else server_url
        service = running.enter_context(serving(url, folder))
        load = running.enter_context(Load(service.port, arguments.clients))
        for _ in range(arguments.stops):
            load.wait_for(100)
            pauses.append(stop_at_once(cluster, load))
        for _ in range(arguments.terminations):
            load.wait_for(100)
            pauses.append(end_connections(cluster, database, load))
        load.wait_for(100)
    kinds = Counter(
        "other" if reply.status_code != 503 else "unknown" if "stored" in reply.json() else "not stored"
        for reply in load.refused
    )
    others = kinds["other"] + len(load.broken)
    lost = len(missing(load.acknowledged, server_url))
    counts = (arguments.stops, arguments.terminations, len(load.answers), kinds["not stored"], kinds["unknown"])
    line = ["PgBouncer" if pooled else "none", *map(str, (*counts, others, lost)), f"{max(pauses):.2f}"]
    return line, others == lost == 0 and max(pauses) <= RECOVERY_S


def main() -> int:
    """Run the drill."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.postgres", description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--terminations", type=int, default=10)
    arguments = parser.parse_args()
    with postgres_cluster() as cluster:
        found = [drill(cluster, pooled, arguments) for pooled in (False, True)]
    print(table(HEADING, [line for line, _ in found]))
    return 0 if all(kept for _, kept in found) else 1


if __name__ == "__main__":
    sys.exit(main())
