"""Counts and labelled predictions, completed after an upgrade and compared with the rows."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.database import Database
from app.progress import Progress
from app.repository import counts, labelled_predictions
from app.repository.steps import Ids
from app.services.pauses import write_and_pause


def complete_tables(database: Database, progress: Progress) -> None:
    """Count and list the predictions from before the tables."""
    count_uncounted(database, progress)
    list_labelled(database, progress)


def count_uncounted(database: Database, progress: Progress) -> None:
    """Count the predictions from before the counts, in short steps; an interrupted run is continued."""
    _complete(database, progress, "Counting predictions", counts.find_uncounted, counts.count_next)


def list_labelled(database: Database, progress: Progress) -> None:
    _complete(
        database,
        progress,
        "Listing labelled predictions",
        labelled_predictions.find_unlisted,
        labelled_predictions.list_next,
    )


def _complete(
    database: Database,
    progress: Progress,
    title: str,
    find: Callable[[Session], Ids | None],
    step: Callable[[Session], Ids | None],
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
    for number, table in enumerate(counts.COUNTS):
        progress("Comparing counts", number, len(counts.COUNTS))
        with database.snapshot() as session:
            differences += counts.count_differences(session, table)
    return differences


def count_again(database: Database, progress: Progress) -> None:
    with database.transaction() as session:
        counts.forget(session)
    count_uncounted(database, progress)


def check_labelled(database: Database, progress: Progress) -> int:
    list_labelled(database, progress)
    progress("Comparing labelled predictions", 0, 1)
    with database.snapshot() as session:
        return labelled_predictions.count_differences(session)


def list_labelled_again(database: Database, progress: Progress) -> None:
    with database.transaction() as session:
        labelled_predictions.forget(session)
    list_labelled(database, progress)
