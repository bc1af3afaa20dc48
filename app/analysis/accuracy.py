from dataclasses import dataclass, field
from typing import Final

from app.analysis.intervals import wilson_interval
from app.schemas.stats import DigitOrNot, LabelledAccuracy

DECIMALS: Final = 6


@dataclass
class AccuracyCounter:
    labelled: int = 0
    correct: int = 0
    not_a_digit: int = 0
    digit_or_not: DigitOrNot = field(
        default_factory=lambda: DigitOrNot(none=0, none_found=0, digits=0, digits_refused=0)
    )

    def add(self, size: int, *, correct: bool, not_a_digit: bool) -> None:
        """Add predictions with the same label; `not_a_digit` is the label `none`."""
        self.labelled += size
        self.correct += size * correct
        self.not_a_digit += size * not_a_digit

    def add_told(self, told: int, not_digits: int, *, not_a_digit: bool) -> None:
        """Add, of these predictions, those with `not_a_digit`, and those above 0.5."""
        if not_a_digit:
            self.digit_or_not.none += told
            self.digit_or_not.none_found += not_digits
        else:
            self.digit_or_not.digits += told
            self.digit_or_not.digits_refused += not_digits

    def result(self) -> LabelledAccuracy:
        interval = wilson_interval(self.correct, self.labelled)
        found = self.digit_or_not
        return LabelledAccuracy(
            labelled=self.labelled,
            correct=self.correct,
            not_a_digit=self.not_a_digit,
            accuracy=_share(self.correct, self.labelled),
            interval=interval and (round(interval.low, DECIMALS), round(interval.high, DECIMALS)),
            accuracy_of_digits=_share(self.correct, self.labelled - self.not_a_digit),
            digit_or_not=found if found.none or found.digits else None,
        )


def _share(count: int, of: int) -> float | None:
    return round(count / of, DECIMALS) if of else None
