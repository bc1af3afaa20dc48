"""The service on several hosts: nginx, PgBouncer, Redis, PostgreSQL and its standby."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from benchmarks.hosts.network import make_network
from benchmarks.hosts.servers import Api, Front, running
from tests.support.databases import migrate
from tests.support.machines import Machine
from tests.support.postgres_cluster import pgbouncer, postgres_cluster, standby_of
from tests.support.redis_server import redis_server

REDIS_PORT = 6379


@dataclass
class Deployment:
    """nginx and Redis on one host, PostgreSQL and PgBouncer on another, a standby on a third, then the service."""

    front: Front
    databases: list[Machine]
    apis: list[Api]
    url: str


@contextmanager
def deployed(folder: Path, count: int) -> Iterator[Deployment]:
    front, db1, db2, *hosts = make_network(["front", "db1", "db2", *(f"api{number + 1}" for number in range(count))])
    with ExitStack() as ending:
        primary = ending.enter_context(postgres_cluster(db1))
        url = primary.new_database()
        migrate(url)
        standby = ending.enter_context(standby_of(primary, db2))
        ending.enter_context(redis_server(REDIS_PORT, "--protected-mode", "no", machine=front))
        settings = {
            "DATABASE_URL": ending.enter_context(pgbouncer(url, db1)),
            "READ_DATABASE_URL": standby.url(make_url(url).database or ""),
            "RATE_LIMIT": "1000000/second",
            "READ_LIMIT": "off",
            "RATE_LIMIT_STORAGE_URI": f"redis://{front.address}:{REDIS_PORT}/0",
            "FORWARDED_ALLOW_IPS": front.address,
        }
        apis = [Api(host, folder, settings) for host in hosts]
        ending.enter_context(running(apis))
        nginx = ending.enter_context(Front(front, folder / "nginx", hosts).running())
        yield Deployment(nginx, [db1, db2], apis, url)
