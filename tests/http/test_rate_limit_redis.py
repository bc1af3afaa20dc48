"""RATE_LIMIT_STORAGE_URI: several processes share counts in Redis, which may fail."""

import signal
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import redis
from starlette.testclient import TestClient

from app.config import LONGEST_RATE_S, get_settings
from app.http import rate_limit_redis
from app.main import create_app
from tests.support.http_fixtures import Start
from tests.support.ports import free_port
from tests.support.redis_server import redis_server, redis_uri
from tests.support.service import DRAWING, KEY, client_of, random_drawings
from tests.support.service_process import sent_to, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

PASSWORD = "kept-quiet"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def patient(tmp_path: Path) -> Sequence[str]:
    """A uvicorn that gives Redis ten seconds, because these tests are about counts, not times."""
    (tmp_path / "patient.py").write_text(
        "import uvicorn\nfrom app.http import rate_limit_redis\n\nrate_limit_redis.TIMEOUT_S = 10\n"
        'if __name__ == "__main__":\n    uvicorn.main()\n'
    )
    return "-m", "patient"


def statuses(client: TestClient, count: int) -> list[int]:
    return [client.post("/classify", json=DRAWING).status_code for _ in range(count)]


# 100 is more than the connections to Redis.
@pytest.mark.parametrize("callers", [8, 100])
def test_limit_is_exact_for_two_processes(
    postgres_url: str, tmp_path: Path, port: int, patient: Sequence[str], callers: int
) -> None:
    settings = {"RATE_LIMIT": "20/day", "RATE_LIMIT_STORAGE_URI": redis_uri(port)}
    with redis_server(port), ExitStack() as running:
        two = [serving(postgres_url, tmp_path, uvicorn=patient, **settings) for _ in range(2)]
        services = [running.enter_context(each) for each in two]
        codes = sent_to(services, 200, callers)
        logs = [service.log.read_text() for service in services]

    assert codes == [200] * 20 + [429] * 180
    assert "RATE_LIMIT_STORAGE_URI" not in "".join(logs)


def test_limit_is_exact_for_several_workers(sqlite_url: str, tmp_path: Path, port: int, patient: Sequence[str]) -> None:
    settings = {"RATE_LIMIT": "20/day", "RATE_LIMIT_STORAGE_URI": redis_uri(port)}
    with redis_server(port), serving(sqlite_url, tmp_path, uvicorn=patient, workers=2, **settings) as service:
        codes = sent_to([service], 200, 16)
    assert codes == [200] * 20 + [429] * 180


def test_counts_outlive_the_process(sqlite_url: str, tmp_path: Path, port: int) -> None:
    settings = {"RATE_LIMIT": "3/day", "RATE_LIMIT_STORAGE_URI": redis_uri(port)}
    with redis_server(port):
        codes = []
        for _ in range(2):
            with serving(sqlite_url, tmp_path, **settings) as service:
                codes.append(sent_to([service], 2, 1))
    assert codes == [[200, 200], [200, 429]]


def test_every_drawing_of_a_batch_counts(start: Start, sqlite_url: str, port: int) -> None:
    with redis_server(port):
        client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="5/day;100/month", RATE_LIMIT_STORAGE_URI=redis_uri(port))
        batch = {"content": random_drawings(4).tobytes(), "headers": {"Content-Type": "application/octet-stream"}}
        codes = [client.post("/classify/batch", **batch).status_code for _ in range(2)]
        refused = client.post("/classify", json=DRAWING)
    assert codes == [200, 429]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 24 * 60 * 60 + 1


def test_longest_limit_is_counted_in_redis(
    start: Start, sqlite_url: str, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server(port):
        client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/366 day", RATE_LIMIT_STORAGE_URI=redis_uri(port))
        assert statuses(client, 2) == [200, 200]
        refused = client.post("/classify", json=DRAWING)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= LONGEST_RATE_S + 1
    assert "RATE_LIMIT_STORAGE_URI" not in caplog.text


@pytest.mark.parametrize("fault", ["down", "hanging"])
def test_process_counts_in_memory_while_redis_is_down(
    start: Start,
    sqlite_url: str,
    port: int,
    fault: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limit_redis, "RETRY_AFTER_S", 0.5)
    monkeypatch.setattr(rate_limit_redis, "TIMEOUT_S", 2.0)
    settings = {"DATABASE_URL": sqlite_url, "RATE_LIMIT": "8/day", "RATE_LIMIT_STORAGE_URI": redis_uri(port)}
    with ExitStack() as running:
        server = running.enter_context(redis_server(port))
        client = start(**settings)
        assert statuses(client, 2) == [200, 200]
        server.send_signal(signal.SIGSTOP if fault == "hanging" else signal.SIGKILL)
        # This process has no counts of its own yet.
        assert statuses(client, 10) == [200] * 8 + [429] * 2
        assert caplog.text.count("each process counts by itself") == 1

        if fault == "hanging":
            server.send_signal(signal.SIGCONT)
        else:
            server.wait()
            running.enter_context(redis_server(port))
        wait_until(lambda: statuses(client, 1) == [200], "a drawing is stored")
        codes = statuses(client, 8)
        if fault == "hanging":
            # Redis had counted two, and then reads the commands that it was sent while it hung.
            assert codes.count(200) <= 5
        else:
            # The new Redis has no counts.
            assert codes == [200] * 7 + [429]
        assert caplog.text.count("answers again") == 1


def test_missing_redis_is_logged_without_its_password(sqlite_url: str, tmp_path: Path, port: int) -> None:
    settings = {"RATE_LIMIT": "4/day", "RATE_LIMIT_STORAGE_URI": redis_uri(port, f":{PASSWORD}@"), "DEBUG": "true"}
    with serving(sqlite_url, tmp_path, **settings) as service:
        codes = sent_to([service], 6, 1)
        log = service.log.read_text()
    assert codes == [200] * 4 + [429] * 2
    assert log.count("does not answer (ConnectionError)") == 1
    assert PASSWORD not in log


def test_wrong_password_is_reported_and_not_logged(
    start: Start, sqlite_url: str, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = redis_uri(port, f":{PASSWORD}@")
    with redis_server(port, "--requirepass", "another"):
        client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/day", RATE_LIMIT_STORAGE_URI=wrong)
        assert statuses(client, 3) == [200, 200, 429]
    assert "does not answer (AuthenticationError)" in caplog.text
    assert PASSWORD not in caplog.text + repr(get_settings())


def test_connections_to_redis_are_closed_at_the_end(
    settings_environment: pytest.MonkeyPatch, sqlite_url: str, port: int
) -> None:
    settings = {"SECRET_API_KEY": KEY, "DATABASE_URL": sqlite_url, "RATE_LIMIT_STORAGE_URI": redis_uri(port)}
    for name, value in settings.items():
        settings_environment.setenv(name, value)
    with redis_server(port), closing(redis.Redis(port=port)) as operator:
        with client_of(create_app()) as client:
            assert statuses(client, 1) == [200]
            assert len(operator.client_list()) == 2
        wait_until(lambda: len(operator.client_list()) == 1, "the connection is closed")
