from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from app.analysis.intervals import wilson_interval
from app.schemas.stats import Confidence, LabelledAccuracy, VersionStats

DECIMALS = 6


@dataclass
class StatsCounter:
    """Counts of a group; `millionths` is the sum of the confidences."""

    count: int = 0
    millionths: int = 0
    labelled: int = 0
    correct: int = 0
    not_a_digit: int = 0

    def add_answers(self, row: Row[Any]) -> None:
        self.count += row.size
        self.millionths += row.millionths

    def add_labels(self, row: Row[Any], *, correct: bool) -> None:
        self.labelled += row.size
        self.correct += row.size * correct
        self.not_a_digit += row.size * row.not_a_digit

    @property
    def mean_confidence(self) -> float | None:
        return round(self.millionths / self.count / 1e6, DECIMALS) if self.count else None

    def as_confidence(self) -> Confidence:
        return Confidence(count=self.count, mean_confidence=self.mean_confidence)

    def as_version(self) -> VersionStats:
        return VersionStats(count=self.count, mean_confidence=self.mean_confidence, accuracy=self.as_accuracy())

    def as_accuracy(self) -> LabelledAccuracy:
        interval = wilson_interval(self.correct, self.labelled)
        return LabelledAccuracy(
            labelled=self.labelled,
            correct=self.correct,
            not_a_digit=self.not_a_digit,
            accuracy=round(self.correct / self.labelled, DECIMALS) if self.labelled else None,
            interval=interval and (round(interval.low, DECIMALS), round(interval.high, DECIMALS)),
        )
