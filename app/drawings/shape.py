"""Drawings are 28 x 28 pixels of one byte, row by row."""

from collections.abc import Iterable
from typing import Final

SIDE: Final = 28
PIXELS: Final = SIDE * SIDE

DIGITS: Final = tuple("0123456789")
NOT_A_DIGIT: Final = "none"
LABELS: Final = (*DIGITS, NOT_A_DIGIT)

# The model says "not a digit" above this.
LIKELY_NOT_A_DIGIT: Final = 0.5


def says_not_a_digit(not_a_digit: float | None) -> bool | None:
    """Return what an answer says, or None if its model cannot tell."""
    return None if not_a_digit is None else not_a_digit > LIKELY_NOT_A_DIGIT


def rows_of(drawing: bytes) -> list[list[int]]:
    return [list(drawing[start : start + SIDE]) for start in range(0, PIXELS, SIDE)]


def by_digit(values: Iterable[float]) -> dict[str, float]:
    return {str(digit): value for digit, value in enumerate(values)}
