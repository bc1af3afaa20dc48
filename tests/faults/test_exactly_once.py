"""A drawing retried with the same Idempotency-Key until it is answered is stored exactly once."""

from pathlib import Path

from tests.support.retrying_clients import RetryingLoad, outcome, survive_kills


def assert_stored_once(load: RetryingLoad, database_url: str) -> None:
    found = outcome(load, database_url)
    assert (found.lost, found.twice, found.wrong) == ([], [], [])
    assert found.rows == found.answers
    # The clients met every kind of failure.
    assert min(load.events["hung up"], load.events["connection broken"], load.events["asked for again"]) > 0


# benchmarks/faults/exactly_once.py kills more often.
def test_retried_drawings_are_stored_once_when_the_service_is_killed(database_url: str, tmp_path: Path) -> None:
    load = survive_kills(database_url, tmp_path, rounds=2, clients=8)
    assert_stored_once(load, database_url)
