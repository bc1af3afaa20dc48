"""Flips: drawings to which two models give different answers, written as CSV and chosen for the page."""

import csv
import heapq
from collections.abc import Iterable
from io import StringIO
from typing import IO, Final, NamedTuple

from app.analysis.export_files import formula_safe

COLUMNS: Final = (
    "id",
    "stored_prediction",
    "stored_confidence",
    "stored_version",
    "new_prediction",
    "new_confidence",
    "label",
)


class Flip(NamedTuple):
    """A drawing, what was answered to it, what the new model answers, and the label that counts."""

    id: int
    stored: str
    stored_confidence: float
    stored_version: str
    new: str
    new_confidence: float
    label: str | None


class TopFlips:
    """The flips that are most worth a look: the labelled first, then those the new model is surest of."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[tuple[bool, float, int], Flip]] = []

    def add(self, flip: Flip) -> None:
        """Keep the flip unless there are enough that come before it."""
        entry = ((flip.label is not None, flip.new_confidence, -flip.id), flip)
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def in_order(self) -> list[Flip]:
        """Return what was kept, the foremost first."""
        return [flip for _, flip in sorted(self._heap, reverse=True)]


class FlipsTable:
    """Writes flips as CSV."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._write(COLUMNS)

    def add(self, flip: Flip) -> None:
        """Write one flip; where nobody labelled the drawing the cell is empty."""
        self._write(formula_safe(cell) if isinstance(cell, str) else cell for cell in flip)

    def _write(self, cells: Iterable[object]) -> None:
        line = StringIO()
        csv.writer(line).writerow(cells)
        self._file.write(line.getvalue().encode())
