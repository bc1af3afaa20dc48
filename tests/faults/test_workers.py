"""Several workers on one database: one is killed, all are killed, all are stopped; nothing acknowledged is lost."""

from pathlib import Path

from tests.support.kill_rounds import kill_all_workers, kill_one_worker, stop_workers

# benchmarks/faults/kills.py does each more often.
ROUNDS = 1


def test_worker_that_is_killed_loses_nothing_and_is_replaced(database_url: str, tmp_path: Path) -> None:
    kill_one_worker(database_url, tmp_path, rounds=ROUNDS)


def test_nothing_is_lost_when_all_workers_are_killed_together(database_url: str, tmp_path: Path) -> None:
    kill_all_workers(database_url, tmp_path, rounds=ROUNDS)


def test_workers_that_are_stopped_store_exactly_what_they_acknowledged(database_url: str, tmp_path: Path) -> None:
    stop_workers(database_url, tmp_path, rounds=ROUNDS)
