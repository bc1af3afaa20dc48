"""Several workers on one database: killing or stopping them loses no acknowledged row."""

from pathlib import Path

from tests.support.kill_rounds import kill_all_workers, kill_one_worker, stop_workers
from tests.support.service_process import serving

# benchmarks/faults/kills.py does each more often.
ROUNDS = 1


def test_killed_worker_is_replaced_and_loses_nothing(database_url: str, tmp_path: Path) -> None:
    kill_one_worker(database_url, tmp_path, rounds=ROUNDS)


def test_nothing_is_lost_when_all_workers_are_killed(database_url: str, tmp_path: Path) -> None:
    kill_all_workers(database_url, tmp_path, rounds=ROUNDS)


def test_stopped_workers_store_exactly_the_acknowledged_rows(database_url: str, tmp_path: Path) -> None:
    stop_workers(database_url, tmp_path, rounds=ROUNDS)


def test_workers_that_share_an_sqlite_file_are_warned_about_once(database_url: str, tmp_path: Path) -> None:
    warnings = []
    for workers in (1, 2):
        with serving(database_url, tmp_path, workers=workers) as service:
            warnings.append(service.log.read_text().count("WARNING pixelwise: several workers share one SQLite file"))
    assert warnings == ([0, 1] if database_url.startswith("sqlite") else [0, 0])
