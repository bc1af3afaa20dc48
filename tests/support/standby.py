"""A service with a standby server: which server answers, and one that stops."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from tests.support.postgres_cluster import Cluster
from tests.support.service import runtime_of


@contextmanager
def stopped(cluster: Cluster, mode: str = "immediate") -> Iterator[None]:
    cluster.stop(mode)
    try:
        yield
    finally:
        cluster.start()


def is_standby(session: Session) -> bool:
    return bool(session.scalar(text("SELECT pg_is_in_recovery()")))


def reads_from(client: TestClient) -> str:
    """Return which server answers a short read and a long one."""
    database = runtime_of(client).database
    servers = {client.portal.call(how, is_standby) for how in (database.read, database.scan)}
    return " and ".join("standby" if server else "primary" for server in servers)


def ready(client: TestClient) -> tuple[int, str, dict[str, str]]:
    """Return the HTTP status, the status and the checks of /health/ready."""
    response = client.get("/health/ready")
    return response.status_code, response.json()["status"], response.json()["checks"]
