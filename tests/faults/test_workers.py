"""Several workers on one database: one is killed, all are killed, all are stopped; nothing acknowledged is lost."""

from pathlib import Path

from tests.support.service import rows
from tests.support.service_process import Load, Service, missing, serving, stored_answers, wait_until

WORKERS = 2


def assert_sound(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        assert rows(database_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert rows(database_url, "SELECT id FROM predictions WHERE id NOT IN (SELECT prediction_id FROM drawings)") == []


def load_for_every_worker(service: Service, seed: int) -> Load:
    """Clients enough for each worker to have some; which one accepts a connection is the system's choice."""
    return Load(service.port, clients=16, seed=seed)


def starts_of(service: Service) -> int:
    return service.log.read_text().count("Application startup complete.")


def test_worker_that_is_killed_loses_nothing_and_is_replaced(database_url: str, tmp_path: Path) -> None:
    acknowledged = {}
    with serving(database_url, tmp_path, workers=WORKERS) as service:
        for seed in range(2):
            with load_for_every_worker(service, seed) as load:
                load.wait_for(100)
                killed = service.worker_processes()[0]
                killed.kill()
                started = WORKERS + seed + 1
                wait_until(lambda: starts_of(service) == started, "another has taken its place")  # noqa: B023
                load.wait_for(20 if len(load.broken) < load.clients else 0)
            assert load.refused == []
            acknowledged |= load.acknowledged
        service.stop()
    assert missing(acknowledged, database_url) == []
    assert_sound(database_url)


def test_nothing_is_lost_when_all_workers_are_killed_together(database_url: str, tmp_path: Path) -> None:
    acknowledged = {}
    for seed in range(2):
        with (
            serving(database_url, tmp_path, workers=WORKERS) as service,
            load_for_every_worker(service, seed) as load,
        ):
            load.wait_for(100)
            service.kill()
            load.wait_for_breaks()
        assert acknowledged.keys().isdisjoint(load.acknowledged)
        acknowledged |= load.acknowledged
        assert missing(acknowledged, database_url) == []
        assert_sound(database_url)


def test_workers_that_are_stopped_store_exactly_what_they_acknowledged(database_url: str, tmp_path: Path) -> None:
    acknowledged = {}
    for seed in range(2):
        with serving(database_url, tmp_path, workers=WORKERS) as service:
            with load_for_every_worker(service, seed) as load:
                load.wait_for(100)
                service.stop()
                load.wait_for_breaks()
            service.log.unlink()
        acknowledged |= load.acknowledged
        assert stored_answers(database_url) == acknowledged
        if database_url.startswith("sqlite"):
            assert [path.name for path in tmp_path.iterdir()] == ["pixelwise.db"]
    assert_sound(database_url)
