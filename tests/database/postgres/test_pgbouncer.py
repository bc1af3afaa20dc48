"""PgBouncer in transaction mode: each transaction may get another connection, without session state."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import httpx2
import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from app.cli.exit_codes import ExitCode
from app.config import get_settings
from app.database import Database
from app.schemas.classify import SEVEN
from tests.support.backups import take_backup
from tests.support.command_line import refused
from tests.support.contract import CONTRACT, drawn_as_png
from tests.support.databases import migrate
from tests.support.postgres_cluster import pgbouncer
from tests.support.service import DRAWING, KEY, rows, stored
from tests.support.service_process import Load, drawing, missing, serving

# psycopg prepares a statement at its sixth use.
TIMES = 8
TENSOR = {"inputs": [{"name": "drawings", "shape": [1, 28, 28], "datatype": "UINT8", "data": [SEVEN]}]}

IN_FORCE = """
    SELECT current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('statement_timeout') AS statement_timeout, current_setting('lock_timeout') AS lock_timeout,
        current_setting('idle_in_transaction_session_timeout') AS idle_timeout,
        current_setting('timezone') AS zone, current_setting('datestyle') AS dates,
        current_setting('transaction_isolation') AS isolation, current_setting('transaction_read_only') AS read_only
"""


@pytest.fixture
def pooled_url(postgres_url: str) -> Iterator[str]:
    """The migrated database without rows, by way of PgBouncer."""
    with pgbouncer(postgres_url) as url:
        yield url


def in_force(session: Session) -> dict[str, str]:
    return dict(session.execute(text(IN_FORCE)).mappings().one())


@pytest.mark.parametrize("url", ["postgres_url", "pooled_url"])
def test_each_transaction_has_its_settings(request: pytest.FixtureRequest, url: str) -> None:
    database = Database(request.getfixturevalue(url).replace("postgresql://", "postgresql+psycopg://"))
    before = rows(request.getfixturevalue(url), IN_FORCE)
    try:
        calls = (database.write, database.read, database.scan)
        writing, reading, scanning = (asyncio.run(call(in_force)) for call in calls)
    finally:
        database.close()
    assert writing == {
        "synchronous_commit": "on",
        "statement_timeout": "5s",
        "lock_timeout": "2s",
        "idle_timeout": "10s",
        "zone": "UTC",
        "dates": "ISO, MDY",
        "isolation": "read committed",
        "read_only": "off",
    }
    assert reading == writing | {"isolation": "repeatable read", "read_only": "on", "synchronous_commit": "on"}
    assert (scanning["isolation"], scanning["read_only"]) == ("repeatable read", "on")
    assert (scanning["statement_timeout"], scanning["idle_timeout"]) == ("2min", "2min")
    # Other clients of the server's connections see no change.
    assert rows(request.getfixturevalue(url), IN_FORCE) == before


def test_migrations_run_up_and_down_through_pgbouncer(empty_postgres_url: str) -> None:
    with pgbouncer(empty_postgres_url) as url:
        migrate(url)
        migrate(url, "downgrade", "base")
        migrate(url)
        assert stored(url) == (0, 0)


def call_every_route(client: httpx2.Client) -> Counter[tuple[str, str]]:
    """Call each route of the API once and check that it succeeds; return how often each was called."""
    called: Counter[tuple[str, str]] = Counter()

    def call(method: str, path: str, **options: object) -> httpx2.Response:
        response = client.request(method, path.format(id=prediction_id, name=key_name), **options)  # type: ignore[arg-type]
        assert response.is_success, (method, path, response.text)
        called[method, path] += 1
        return response

    prediction_id = None
    key_name = Random().randbytes(8).hex()
    for headers in ({}, {"Idempotency-Key": Random().randbytes(8).hex()}):
        prediction_id = call("post", "/classify", json=DRAWING, headers=headers).json()["id"]
    call("post", "/classify/batch", json={"images": [SEVEN, SEVEN]})
    call("post", "/classify/image", files={"file": ("seven.png", drawn_as_png(SEVEN), "image/png")})
    call("post", "/classify/preview", json=DRAWING)
    call("post", "/v2/models/digits/infer", json=TENSOR)
    call("patch", "/results/{id}", json={"notes": "seven"})
    call("put", "/results/{id}/label", json={"label": "7"})
    for _, path in sorted(CONTRACT):
        if ("get", path) in CONTRACT:
            call("get", path)
    call("delete", "/results/{id}")
    call("post", "/keys", json={"name": key_name, "scopes": ["read"]})
    call("post", "/keys/{name}/rotate")
    call("post", "/keys/{name}/revoke")
    return called


def test_two_workers_behind_pgbouncer_serve_every_route(postgres_url: str, pooled_url: str, tmp_path: Path) -> None:
    called: Counter[tuple[str, str]] = Counter()
    with serving(pooled_url, tmp_path, workers=2, PREVIEW_LIMIT="off") as service:
        with Load(service.port, 8, pause_s=0.05) as load:
            for _ in range(TIMES):
                # One connection per round, so that both workers are used.
                base = f"http://127.0.0.1:{service.port}"
                with httpx2.Client(base_url=base, headers={"X-API-Key": KEY}, timeout=30) as client:
                    called += call_every_route(client)
            load.wait_for(100)
        service.stop()
        log = service.log.read_text()
    assert set(called) == CONTRACT
    assert (load.refused, load.broken) == ([], [])
    assert missing(load.acknowledged, postgres_url) == []
    # One of six drawings per round was deleted.
    assert stored(postgres_url) == (len(load.acknowledged) + 5 * TIMES,) * 2
    assert "Traceback" not in log


def test_each_answer_behind_pgbouncer_is_on_disk_despite_the_server_default(
    postgres_url: str, pooled_url: str, tmp_path: Path
) -> None:
    random = Random(0)
    with psycopg.connect(postgres_url, autocommit=True) as database:
        name = make_url(postgres_url).database
        database.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")  # type: ignore[call-overload]
        try:
            with serving(pooled_url, tmp_path) as service, service.client() as client:
                for _ in range(50):
                    before = database.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
                    assert client.classify(drawing(random)).status_code == 200
                    flushed = database.execute("SELECT pg_current_wal_flush_lsn() > %s", before).fetchone()
                    assert flushed == (True,)
        finally:
            database.execute(f"ALTER DATABASE {name} RESET synchronous_commit")  # type: ignore[call-overload]


def test_backup_and_restore_through_pgbouncer_are_refused_and_leave_its_connections_as_they_were(
    postgres_url: str, empty_postgres_url: str, settings_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # pg_dump and pg_restore empty the search path of a connection that PgBouncer then gives to others.
    settings_environment.setenv("DATABASE_URL", postgres_url)
    dump = take_backup(tmp_path)
    for direct, command in (
        (postgres_url, ("backup", "others")),
        (empty_postgres_url, ("restore", str(dump), "--yes")),
    ):
        with pgbouncer(direct) as url:
            settings_environment.setenv("DATABASE_URL", url)
            get_settings.cache_clear()
            assert "use the server's own port" in refused(ExitCode.FAILURE, *command)
            with ExitStack() as clients:
                for _ in range(3):
                    # Each holds its transaction, so each has another of PgBouncer's connections.
                    client = clients.enter_context(psycopg.connect(url))
                    assert client.execute("SHOW search_path").fetchone() == ('"$user", public',)
    assert rows(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
    assert [path for path in (tmp_path / "others").iterdir() if path.name != ".pixelwise-backup.lock"] == []
