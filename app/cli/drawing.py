from typing import Final

from rich.panel import Panel
from rich.text import Text

from app.cli.terminal import output
from app.drawings.shape import SIDE

# Index: 1 for ink in the upper pixel, plus 2 for ink in the lower one.
_BLOCKS: Final = " ▀▄█"
# Relative to the darkest pixel, so that faint drawings show.
_INK_THRESHOLD: Final = 0.4


def blocks(pixels: bytes) -> list[str]:
    """Return 784 pixels, 255 for ink, as 14 lines of 28 characters."""
    threshold = max(max(pixels) * _INK_THRESHOLD, 1)
    ink = [pixel >= threshold for pixel in pixels]
    rows = [ink[start : start + SIDE] for start in range(0, len(ink), SIDE)]
    return [
        "".join(_BLOCKS[upper + 2 * lower] for upper, lower in zip(rows[number], rows[number + 1], strict=True))
        for number in range(0, SIDE, 2)
    ]


def print_drawing(pixels: bytes) -> None:
    output().print(Panel.fit(Text("\n".join(blocks(pixels)), no_wrap=True), padding=0))
