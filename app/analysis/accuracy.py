from dataclasses import dataclass
from typing import Final

from app.analysis.intervals import wilson_interval
from app.schemas.stats import DigitOrNot, LabelledAccuracy

DECIMALS: Final = 6


@dataclass
class AccuracyCounter:
    labelled: int = 0
    correct: int = 0
    not_a_digit: int = 0
    none: int = 0
    none_found: int = 0
    digits: int = 0
    digits_refused: int = 0

    def add(self, size: int, *, correct: bool, not_a_digit: bool) -> None:
        """Add predictions with the same label; `not_a_digit` is the label `none`."""
        self.labelled += size
        self.correct += size * correct
        self.not_a_digit += size * not_a_digit

    def add_digit_or_not(self, answers: int, not_digits: int, *, not_a_digit: bool) -> None:
        """Add, of these predictions, those with `not_a_digit`, and those above 0.5."""
        if not_a_digit:
            self.none += answers
            self.none_found += not_digits
        else:
            self.digits += answers
            self.digits_refused += not_digits

    def result(self) -> LabelledAccuracy:
        interval = wilson_interval(self.correct, self.labelled)
        return LabelledAccuracy(
            labelled=self.labelled,
            correct=self.correct,
            not_a_digit=self.not_a_digit,
            accuracy=_share(self.correct, self.labelled),
            interval=interval and (round(interval.low, DECIMALS), round(interval.high, DECIMALS)),
            accuracy_of_digits=_share(self.correct, self.labelled - self.not_a_digit),
            digit_or_not=self._digit_or_not(),
        )

    def _digit_or_not(self) -> DigitOrNot | None:
        if not (self.none or self.digits):
            return None
        return DigitOrNot(
            none=self.none, none_found=self.none_found, digits=self.digits, digits_refused=self.digits_refused
        )


def _share(count: int, of: int) -> float | None:
    return round(count / of, DECIMALS) if of else None
