from collections import Counter
from typing import Final, NamedTuple

from app.analysis.accuracy import DECIMALS, AccuracyCounter
from app.analysis.intervals import wilson_interval
from app.analysis.replay.flips import ComparedDrawing
from app.analysis.significance import mcnemar_exact
from app.drawings.shape import NOT_A_DIGIT, says_not_a_digit
from app.schemas.replay import (
    Agreement,
    LabelComparison,
    LabelledComparison,
    NotADigitAnswers,
    PairOfAnswers,
    VersionComparison,
)

SIGNIFICANT: Final = 0.05


class Membership(NamedTuple):
    """Whether a drawing is a random sample, or in the test split."""

    at_random: bool
    held_out: bool


class ReplayTotals:
    """Memory grows with the pairs of answers, not with the drawings."""

    def __init__(self) -> None:
        self.drawings = 0
        self._pairs: Counter[tuple[str, str]] = Counter()
        # By whether each answer says "not a digit"; None if it does not tell.
        self._said: Counter[tuple[bool | None, bool | None]] = Counter()
        self._labelled = _Labelled()
        self._at_random = _Labelled()
        self._held_out = _Labelled()
        self._labels: dict[str, _Labelled] = {}
        self._versions: dict[str, _Version] = {}

    def add(self, compared: ComparedDrawing, membership: Membership) -> None:
        self.drawings += 1
        self._versions.setdefault(compared.stored_version, _Version()).add(compared)
        if compared.stored != compared.new:
            self._pairs[compared.stored, compared.new] += 1
        self._said[says_not_a_digit(compared.stored_not_a_digit), says_not_a_digit(compared.new_not_a_digit)] += 1
        if compared.label is None:
            return
        self._labelled.add(compared)
        self._labels.setdefault(compared.label, _Labelled()).add(compared)
        if membership.at_random:
            self._at_random.add(compared)
        if membership.held_out:
            self._held_out.add(compared)

    def agreement(self) -> Agreement:
        agreed = self.drawings - self._pairs.total()
        share, interval = _share(agreed, self.drawings)
        return Agreement(agreed=agreed, agreement=share, interval=interval)

    def not_a_digit(self) -> NotADigitAnswers:
        stored, new = Counter[bool | None](), Counter[bool | None]()
        for (stored_says, new_says), count in self._said.items():
            stored[stored_says] += count
            new[new_says] += count
        return NotADigitAnswers(
            stored=stored[True],
            stored_share=_share(stored[True], stored[True] + stored[False])[0],
            new=new[True],
            new_share=_share(new[True], new[True] + new[False])[0],
            only_stored=self._said[True, False],
            only_new=self._said[False, True],
        )

    def flips(self) -> list[PairOfAnswers]:
        ranked = sorted(self._pairs.items(), key=lambda item: (-item[1], item[0]))
        return [PairOfAnswers(stored=stored, new=new, drawings=count) for (stored, new), count in ranked]

    def labelled(self) -> LabelledComparison:
        return self._labelled.outcome()

    def at_random(self) -> LabelledComparison:
        return self._at_random.outcome()

    def held_out(self) -> LabelledComparison:
        return self._held_out.outcome()

    def labels(self) -> list[LabelComparison]:
        return [
            LabelComparison(
                label=label, drawings=seen.drawings, stored_correct=seen.stored.correct, new_correct=seen.new.correct
            )
            for label, seen in sorted(self._labels.items())
        ]

    def versions(self) -> list[VersionComparison]:
        ranked = sorted(self._versions.items(), key=lambda item: (-item[1].drawings, item[0]))
        return [
            VersionComparison(
                model_version=name,
                drawings=version.drawings,
                agreed=version.agreed,
                labelled=version.labelled.drawings,
                stored_correct=version.labelled.stored.correct,
                new_correct=version.labelled.new.correct,
            )
            for name, version in ranked
        ]


class _Labelled:
    def __init__(self) -> None:
        self.stored = AccuracyCounter()
        self.new = AccuracyCounter()
        self.only_stored = self.only_new = 0

    @property
    def drawings(self) -> int:
        return self.stored.labelled

    def add(self, compared: ComparedDrawing) -> None:
        not_a_digit = compared.label == NOT_A_DIGIT
        # For the label `none` both answers count as wrong.
        stored = compared.stored == compared.label and not not_a_digit
        new = compared.new == compared.label and not not_a_digit
        self.stored.add(1, correct=stored, not_a_digit=not_a_digit)
        self.new.add(1, correct=new, not_a_digit=not_a_digit)
        self.only_stored += stored and not new
        self.only_new += new and not stored
        for counter, value in ((self.stored, compared.stored_not_a_digit), (self.new, compared.new_not_a_digit)):
            if (said := says_not_a_digit(value)) is not None:
                counter.add_digit_or_not(1, said, not_a_digit=not_a_digit)

    def outcome(self) -> LabelledComparison:
        return LabelledComparison(
            drawings=self.drawings,
            stored=self.stored.result(),
            new=self.new.result(),
            only_stored_correct=self.only_stored,
            only_new_correct=self.only_new,
            p_value=mcnemar_exact(self.only_stored, self.only_new),
        )


class _Version:
    def __init__(self) -> None:
        self.drawings = self.agreed = 0
        self.labelled = _Labelled()

    def add(self, compared: ComparedDrawing) -> None:
        self.drawings += 1
        self.agreed += compared.stored == compared.new
        if compared.label is not None:
            self.labelled.add(compared)


def _share(count: int, of: int) -> tuple[float | None, tuple[float, float] | None]:
    interval = wilson_interval(count, of)
    if interval is None:
        return None, None
    return round(count / of, DECIMALS), (round(interval.low, DECIMALS), round(interval.high, DECIMALS))
