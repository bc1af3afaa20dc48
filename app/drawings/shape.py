"""The shape of a drawing: 28 x 28 pixels of one byte each, row by row. Also the digits and labels."""

from collections.abc import Iterable
from typing import Final

SIDE: Final = 28
PIXELS: Final = SIDE * SIDE

DIGITS: Final = tuple("0123456789")
NOT_A_DIGIT: Final = "none"
LABELS: Final = (*DIGITS, NOT_A_DIGIT)


def rows_of(drawing: bytes) -> list[list[int]]:
    """Return 784 bytes as 28 rows of 28 numbers."""
    return [list(drawing[start : start + SIDE]) for start in range(0, PIXELS, SIDE)]


def by_digit(values: Iterable[float]) -> dict[str, float]:
    """Name ten values, such as scores, by digit."""
    return {str(digit): value for digit, value in enumerate(values)}
