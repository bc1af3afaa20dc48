"""A drawing in a terminal: two rows of pixels in one line of characters, since a character is twice as high as wide."""

from typing import Final

from rich.panel import Panel
from rich.text import Text

from app.cli.terminal import output
from app.drawings.shape import SIDE

# By which of the two pixels is ink: neither, the upper, the lower, both.
_BLOCKS: Final = " ▀▄█"
# Ink is what is darker than this share of the darkest pixel: a faint drawing shows as well as a bold one.
_INK_SHARE: Final = 0.4


def blocks(pixels: bytes) -> list[str]:
    """Return 784 pixels, 0 for background and 255 for ink, as 14 lines of 28 characters."""
    threshold = max(max(pixels) * _INK_SHARE, 1)
    ink = [pixel >= threshold for pixel in pixels]
    rows = [ink[start : start + SIDE] for start in range(0, len(ink), SIDE)]
    return [
        "".join(_BLOCKS[upper + 2 * lower] for upper, lower in zip(rows[number], rows[number + 1], strict=True))
        for number in range(0, SIDE, 2)
    ]


def print_drawing(pixels: bytes) -> None:
    """Print the 784 pixels in a frame, so that a digit in a corner is seen to be there."""
    output().print(Panel.fit(Text("\n".join(blocks(pixels)), no_wrap=True), padding=0))
