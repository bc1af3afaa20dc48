"""Verdicts of a comparison."""

from typing import Any

import pytest

from app.analysis.replay.verdict import verdict, verdict_on_part
from app.analysis.significance import mcnemar_exact
from app.schemas.replay import Agreement, LabelledComparison


def agreed(count: int) -> Agreement:
    return Agreement(agreed=count, agreement=None, interval=None)


def on(drawings: int, only_new: int = 0, only_stored: int = 0) -> LabelledComparison:
    accuracy: Any = {
        "labelled": drawings,
        "correct": 0,
        "not_a_digit": 0,
        "accuracy": None,
        "interval": None,
        "accuracy_of_digits": None,
        "digit_or_not": None,
    }
    return LabelledComparison(
        drawings=drawings,
        stored=accuracy,
        new=accuracy,
        only_new_correct=only_new,
        only_stored_correct=only_stored,
        p_value=mcnemar_exact(only_stored, only_new),
    )


@pytest.mark.parametrize(
    ("labelled", "words"),
    [
        (
            (212, 14, 3),
            "On 212 labelled drawings the new model is right 14 times where the stored answer is wrong and wrong 3"
            " times where it is right (p = 0.013): better.",
        ),
        (
            (1212, 3, 14),
            "On 1,212 labelled drawings the new model is right 3 times where the stored answer is wrong and wrong 14"
            " times where it is right (p = 0.013): worse.",
        ),
        (
            (1, 1, 0),
            "On 1 labelled drawing the new model is right once where the stored answer is wrong and wrong 0 times where"
            " it is right (p = 1.00): no difference can be shown.",
        ),
        ((0, 0, 0), "No labels, so the models cannot be ranked: label some of the flips first."),
    ],
)
def test_verdict_is_one_sentence(labelled: tuple[int, int, int], words: str) -> None:
    assert verdict(1000, agreed(900), on(*labelled)) == words


def test_six_against_none_is_better_and_five_is_not() -> None:
    assert verdict(9, agreed(1), on(6, 5, 0)).endswith("no difference can be shown.")
    assert verdict(9, agreed(1), on(6, 6, 0)).endswith("better.")


def test_equal_models_and_empty_databases_have_their_own_verdicts() -> None:
    assert verdict(1000, agreed(1000), on(50)) == "All 1,000 answers are the same: neither model is better."
    assert verdict(0, agreed(0), on(0)) == "There is nothing to compare: no drawing was classified."


def test_verdict_on_a_part_exists_only_if_it_adds_something() -> None:
    sentence = verdict_on_part(on(60, 9, 1), on(20, 1, 1), "drawn at random")
    assert sentence is not None
    assert sentence.startswith("On 20 labelled drawings drawn at random the new model is right once")
    assert verdict_on_part(on(60, 9, 1), on(0), "drawn at random") is None
    assert verdict_on_part(on(60, 9, 1), on(60, 9, 1), "drawn at random") is None
    assert verdict_on_part(on(60), on(20), "drawn at random") is None
