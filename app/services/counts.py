"""Counts of predictions, completed after an upgrade and compared with the rows."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.database import Database
from app.progress import Progress
from app.repository import counts as repository
from app.repository.labelled_predictions import find_unlisted, list_next
from app.services.pauses import write_and_pause


def count_uncounted(database: Database, progress: Progress) -> None:
    """Count the predictions from before the counts, in short steps; an interrupted run is continued."""
    _complete(database, progress, "Counting predictions", repository.find_uncounted, repository.count_next)


def list_labelled(database: Database, progress: Progress) -> None:
    _complete(database, progress, "Listing labelled predictions", find_unlisted, list_next)


def _complete(
    database: Database,
    progress: Progress,
    title: str,
    find: Callable[[Session], repository.Ids | None],
    step: Callable[[Session], repository.Ids | None],
) -> None:
    with database.snapshot() as session:
        left = find(session)
    if left is None:
        return
    first, last = left
    while left is not None:
        progress(title, left[0] - first, last - first + 1)
        left = write_and_pause(database, step)


def check_counts(database: Database, progress: Progress) -> int:
    count_uncounted(database, progress)
    differences = 0
    for number, counts in enumerate(repository.COUNTS):
        progress("Comparing counts", number, len(repository.COUNTS))
        with database.snapshot() as session:
            differences += repository.count_differences(session, counts)
    return differences


def count_again(database: Database, progress: Progress) -> None:
    with database.transaction() as session:
        repository.forget(session)
    count_uncounted(database, progress)
