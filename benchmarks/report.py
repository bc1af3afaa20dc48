"""Format medians, ranges and Markdown tables."""

from collections.abc import Iterable, Sequence
from statistics import median


def with_range(values: Sequence[float], digits: int = 0) -> str:
    """Format the median and, in brackets, the smallest and largest value."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})"


def middle(values: Sequence[float], digits: int = 0) -> str:
    """Format the median."""
    return f"{median(values):.{digits}f}"


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
