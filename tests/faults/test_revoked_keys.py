"""Keys with several workers: a new key works at once, and a revoked one is refused by all within five seconds."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.command_line import done
from tests.support.service import rows
from tests.support.service_process import Client, serving
from tests.support.waiting import wait_until

# The promise of docs/operations.md.
REVOKED_WITHIN_S = 5
CONNECTIONS = 12


def status_of(client: Client, secret: str) -> int:
    client.connection.request("GET", "/keys/current", headers={"X-API-Key": secret})
    return client.receive().status_code


@pytest.mark.parametrize("ending", [("revoke", "phone"), ("rotate", "phone", "--overlap", "0")], ids=lambda end: end[0])
def test_ended_secret_is_refused_by_every_worker(
    configured_database_url: str, tmp_path: Path, ending: tuple[str, ...]
) -> None:
    url = configured_database_url
    with serving(url, tmp_path, workers=2) as service, ExitStack() as stack:
        clients = [stack.enter_context(service.client()) for _ in range(CONNECTIONS)]
        for number in range(2):
            # The second one is unknown to workers that have just read the keys.
            secret = done("keys", "create", f"tablet-{number}", "--scope", "read").strip()
            assert {status_of(client, secret) for client in clients} == {200}
        assert all(worker.net_connections() for worker in service.worker_processes())
        secret = done("keys", "create", "phone", "--scope", "read").strip()
        assert {status_of(client, secret) for client in clients} == {200}
        done("keys", *ending)
        until = time.monotonic() + REVOKED_WITHIN_S
        while time.monotonic() < until:
            assert {status_of(client, secret) for client in clients} <= {200, 401}
            # Other tests need the processors.
            time.sleep(0.05)
        assert {status_of(client, secret) for client in clients} == {401}
        service.stop()
    used = rows(url, "SELECT name FROM api_keys WHERE last_used_at IS NOT NULL ORDER BY name")
    assert [row["name"] for row in used] == ["phone", "tablet-0", "tablet-1"]


def test_key_is_refused_once_it_has_expired(configured_database_url: str, tmp_path: Path) -> None:
    with serving(configured_database_url, tmp_path, workers=2) as service, service.client() as client:
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        secret = done("keys", "create", "phone", "--scope", "read", "--expires-at", soon).strip()
        wait_until(lambda: status_of(client, secret) == 401, "the key has expired")
