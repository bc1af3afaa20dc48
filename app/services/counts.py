"""Counts and labelled predictions, completed after an upgrade and compared with the rows."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.database import Database
from app.progress import Progress
from app.repository import counts, labelled_predictions
from app.repository.steps import IdRange
from app.services.pauses import write_and_pause


def complete_tables(database: Database, progress: Progress) -> None:
    complete_counts(database, progress)
    complete_labelled_predictions(database, progress)


def complete_counts(database: Database, progress: Progress) -> None:
    """Count the predictions from before the counts, in short steps; an interrupted run is continued."""
    _complete(database, progress, "Counting predictions", counts.find_uncounted, counts.add_next)


def complete_labelled_predictions(database: Database, progress: Progress) -> None:
    _complete(
        database,
        progress,
        "Listing labelled predictions",
        labelled_predictions.find_unlisted,
        labelled_predictions.add_next,
    )


def _complete(
    database: Database,
    progress: Progress,
    title: str,
    find: Callable[[Session], IdRange | None],
    step: Callable[[Session], IdRange | None],
) -> None:
    with database.snapshot() as session:
        remaining = find(session)
    if remaining is None:
        return
    first, last = remaining
    while remaining is not None:
        progress(title, remaining[0] - first, last - first + 1)
        remaining = write_and_pause(database, step)


def check_counts(database: Database, progress: Progress) -> int:
    complete_counts(database, progress)
    differences = 0
    for number, table in enumerate(counts.COUNTS):
        progress("Comparing counts", number, len(counts.COUNTS))
        with database.snapshot() as session:
            differences += counts.count_differences(session, table)
    return differences


def rebuild_counts(database: Database, progress: Progress) -> None:
    with database.transaction() as session:
        counts.clear(session)
    complete_counts(database, progress)


def check_labelled(database: Database, progress: Progress) -> int:
    complete_labelled_predictions(database, progress)
    progress("Comparing labelled predictions", 0, 1)
    with database.snapshot() as session:
        return labelled_predictions.count_differences(session)


def rebuild_labelled_predictions(database: Database, progress: Progress) -> None:
    with database.transaction() as session:
        labelled_predictions.clear(session)
    complete_labelled_predictions(database, progress)
