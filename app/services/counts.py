"""Counts of predictions, completed after an upgrade and compared with the rows."""

from app.database import Database
from app.progress import Progress
from app.repository import counts as repository
from app.services.pauses import write_and_pause


def count_uncounted(database: Database, progress: Progress) -> None:
    """Count the predictions from before the counts, in short steps; an interrupted run is continued."""
    with database.snapshot() as session:
        left = repository.find_uncounted(session)
    if left is None:
        return
    first, last = left
    while left is not None:
        progress("Counting predictions", left[0] - first, last - first + 1)
        left = write_and_pause(database, repository.count_next)


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
