from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from app.analysis.accuracy import DECIMALS, AccuracyCounter
from app.schemas.stats import Confidence, VersionStats


@dataclass
class StatsCounter:
    """Counts of a group; `millionths` is the sum of the confidences."""

    count: int = 0
    millionths: int = 0
    with_not_a_digit: int = 0
    # Above 0.5.
    not_digits: int = 0
    accuracy: AccuracyCounter = field(default_factory=AccuracyCounter)

    def add_answers(self, row: Row[Any]) -> None:
        self.count += row.size
        self.millionths += row.millionths
        self.with_not_a_digit += row.told
        self.not_digits += row.not_digits

    def add_labels(self, row: Row[Any]) -> None:
        self.accuracy.add(row.size, correct=row.correct, not_a_digit=row.not_a_digit)
        self.accuracy.add_digit_or_not(row.told, row.not_digits, not_a_digit=row.not_a_digit)

    @property
    def mean_confidence(self) -> float | None:
        return round(self.millionths / self.count / 1e6, DECIMALS) if self.count else None

    @property
    def not_a_digit_share(self) -> float | None:
        return round(self.not_digits / self.with_not_a_digit, DECIMALS) if self.with_not_a_digit else None

    def as_confidence(self) -> Confidence:
        return Confidence(count=self.count, mean_confidence=self.mean_confidence)

    def as_version(self) -> VersionStats:
        return VersionStats(
            count=self.count,
            mean_confidence=self.mean_confidence,
            not_a_digit_share=self.not_a_digit_share,
            accuracy=self.accuracy.result(),
        )
