"""Kill a service under load repeatedly, and check every acknowledged row."""

from pathlib import Path
from random import Random

from tests.support.service import rows, stored
from tests.support.service_process import Answer, Load, Service, missing, serving, stored_answers
from tests.support.waiting import wait_until

# Enough clients for each of two workers to have some; the system chooses which one accepts a connection.
CLIENTS_OF_WORKERS = 16
WORKERS = 2


def assert_sound(database_url: str) -> None:
    """Check the database's integrity, and that every prediction has its drawing."""
    predictions, drawings = stored(database_url)
    assert predictions == drawings
    if database_url.startswith("sqlite"):
        assert rows(database_url, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def assert_listed(service: Service, acknowledged: dict[int, Answer]) -> None:
    """Check that the service lists the acknowledged rows on one page of results."""
    with service.client() as client:
        listed = {row["id"]: row for row in client.get("/results?limit=1000").json()["results"]}
    for key in acknowledged.keys() & set(range(min(listed, default=0), max(acknowledged, default=0) + 1)):
        assert (listed[key]["prediction"], listed[key]["confidence"]) == acknowledged[key][:2]


def kill_under_load(database_url: str, folder: Path, *, rounds: int, clients: int) -> int:
    """Kill the service under load, restart it and check every acknowledged row, in each round.

    Return how many rows were acknowledged.
    """
    random = Random(clients)
    acknowledged: dict[int, Answer] = {}
    for round_number in range(rounds + 1):
        with serving(database_url, folder) as service:
            assert missing(acknowledged, database_url) == []
            assert_listed(service, acknowledged)
            assert_sound(database_url)
            if round_number == rounds:
                break
            with Load(service.port, clients, seed=round_number) as load:
                load.wait_for(random.randint(20, 300))
                service.kill()
                load.wait_for_breaks()
        assert load.refused == []
        assert load.acknowledged.keys().isdisjoint(acknowledged)
        acknowledged |= load.acknowledged
    assert len(acknowledged) >= 20 * rounds
    return len(acknowledged)


def kill_one_worker(database_url: str, folder: Path, *, rounds: int) -> int:
    """Kill one of two workers under load and wait for its successor, in each round; return the rows acknowledged."""
    acknowledged: dict[int, Answer] = {}
    with serving(database_url, folder, workers=WORKERS) as service:
        for round_number in range(rounds):
            with Load(service.port, CLIENTS_OF_WORKERS, seed=round_number) as load:
                load.wait_for(100)
                service.worker_processes()[0].kill()
                started = WORKERS + round_number + 1
                wait_until(lambda: _starts_of(service) == started, "another has taken its place")  # noqa: B023
                load.wait_for(20 if len(load.broken) < load.clients else 0)
            assert load.refused == []
            acknowledged |= load.acknowledged
        service.stop()
    assert missing(acknowledged, database_url) == []
    assert_sound(database_url)
    return len(acknowledged)


def kill_all_workers(database_url: str, folder: Path, *, rounds: int) -> int:
    """Kill the service with its two workers under load, in each round; return the rows acknowledged."""
    acknowledged: dict[int, Answer] = {}
    for round_number in range(rounds):
        with (
            serving(database_url, folder, workers=WORKERS) as service,
            Load(service.port, CLIENTS_OF_WORKERS, seed=round_number) as load,
        ):
            load.wait_for(100)
            service.kill()
            load.wait_for_breaks()
        assert acknowledged.keys().isdisjoint(load.acknowledged)
        acknowledged |= load.acknowledged
        assert missing(acknowledged, database_url) == []
        assert_sound(database_url)
    return len(acknowledged)


def stop_workers(database_url: str, folder: Path, *, rounds: int) -> int:
    """Stop the service with its two workers under load, in each round; return the rows acknowledged."""
    acknowledged: dict[int, Answer] = {}
    for round_number in range(rounds):
        with serving(database_url, folder, workers=WORKERS) as service:
            with Load(service.port, CLIENTS_OF_WORKERS, seed=round_number) as load:
                load.wait_for(100)
                service.stop()
                load.wait_for_breaks()
            service.log.unlink()
        acknowledged |= load.acknowledged
        assert stored_answers(database_url) == acknowledged
        if database_url.startswith("sqlite"):
            assert [path.name for path in folder.iterdir()] == ["pixelwise.db"]
    assert_sound(database_url)
    return len(acknowledged)


def _starts_of(service: Service) -> int:
    return service.log.read_text().count("Application startup complete.")
