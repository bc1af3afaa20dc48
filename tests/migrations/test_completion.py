"""An upgrade that was interrupted while it counted goes on when it is run again."""

from collections.abc import Callable

import pytest

import init_db
from app.database import get_database
from app.repository import counts, labelled_predictions
from app.repository.steps import is_anything_remaining
from tests.migrations.test_questions import nobody_else_may_write
from tests.support.command_line import done
from tests.support.databases import migrate
from tests.support.stored_rows import random_rows, store


def run_init_db(_url: str) -> None:
    init_db.main([])


def run_the_command(_url: str) -> None:
    done("upgrade")


@pytest.mark.parametrize("upgrade", [migrate, run_init_db, run_the_command])
def test_interrupted_counting_is_continued(
    configured_database_url: str, upgrade: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    store(configured_database_url, random_rows(50))
    with get_database().transaction() as session:
        counts.clear(session)
        labelled_predictions.clear(session)
        assert is_anything_remaining(session)
    upgrade(configured_database_url)
    assert "up to date" not in capsys.readouterr().out
    with get_database().snapshot() as session:
        assert not is_anything_remaining(session)
        assert [counts.count_differences(session, table) for table in counts.COUNTS] == [0, 0, 0, 0]
        assert labelled_predictions.count_differences(session) == 0


@pytest.mark.slow
def test_count_that_finds_the_database_busy_is_reported_in_one_line(configured_database_url: str) -> None:
    store(configured_database_url, random_rows(5))
    with get_database().transaction() as session:
        counts.clear(session)
    with nobody_else_may_write(configured_database_url), pytest.raises(SystemExit) as error:
        init_db.main([])
    assert str(error.value.code).startswith("pixelwise: ")
    assert "\n" not in str(error.value.code)
    init_db.main([])
    with get_database().snapshot() as session:
        assert not is_anything_remaining(session)


def test_listing_alone_is_continued(configured_database_url: str) -> None:
    store(configured_database_url, random_rows(50))
    with get_database().transaction() as session:
        labelled_predictions.clear(session)
    init_db.main([])
    with get_database().snapshot() as session:
        assert not is_anything_remaining(session)
        assert labelled_predictions.count_differences(session) == 0
