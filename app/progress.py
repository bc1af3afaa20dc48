"""Progress reports of long jobs."""

from collections.abc import Callable

# Called with the name of the step, how much is done, and the total if it is known.
Progress = Callable[[str, int, int | None], object]


def no_progress(step: str, done: int, total: int | None) -> None:
    """Report nothing."""
