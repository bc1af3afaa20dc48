"""The shape of a drawing: 28 x 28 pixels of one byte each, row by row."""

from typing import Final

SIDE: Final = 28
PIXELS: Final = SIDE * SIDE

DIGITS: Final = tuple("0123456789")


def rows_of(drawing: bytes) -> list[list[int]]:
    """Return a drawing of 784 bytes as 28 rows of 28 numbers."""
    return [list(drawing[start : start + SIDE]) for start in range(0, PIXELS, SIDE)]
