from collections.abc import Callable

# Called with the step, how much is done, and the total if known.
Progress = Callable[[str, int, int | None], object]


def no_progress(step: str, done: int, total: int | None) -> None:
    pass
