"""Format medians, ranges and Markdown tables."""

from collections.abc import Iterable, Sequence
from math import nan
from statistics import median


def with_range(values: Sequence[float], digits: int = 0) -> str:
    """Format the median and, in brackets, the smallest and largest value."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})"


def middle(values: Sequence[float], digits: int = 0) -> str:
    """Format the median."""
    return f"{median(values):.{digits}f}"


def ratio(value: float, base: float) -> float:
    """Divide; without a base, such as the rate of a server that answered nothing, the ratio is not a number."""
    return value / base if base else nan


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
