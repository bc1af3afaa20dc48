"""Flips: drawings to which two models give different answers."""

import csv
import heapq
from collections.abc import Iterable
from io import StringIO
from typing import Final, NamedTuple

from app.analysis.export_files import formula_safe

COLUMNS: Final = (
    "id",
    "stored_prediction",
    "stored_confidence",
    "stored_version",
    "new_prediction",
    "new_confidence",
    "label",
    "stored_not_a_digit",
    "new_not_a_digit",
)


class ComparedDrawing(NamedTuple):
    id: int
    stored: str
    stored_confidence: float
    stored_version: str
    new: str
    new_confidence: float
    label: str | None
    stored_not_a_digit: float | None
    new_not_a_digit: float | None


class TopFlips:
    """The most interesting flips: labelled first, then by confidence of the new model."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[tuple[bool, float, int], ComparedDrawing]] = []

    def add(self, flip: ComparedDrawing) -> None:
        entry = ((flip.label is not None, flip.new_confidence, -flip.id), flip)
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def in_order(self) -> list[ComparedDrawing]:
        return [flip for _, flip in sorted(self._heap, reverse=True)]


def csv_line(cells: Iterable[object]) -> bytes:
    line = StringIO()
    csv.writer(line).writerow(formula_safe(cell) if isinstance(cell, str) else cell for cell in cells)
    return line.getvalue().encode()
