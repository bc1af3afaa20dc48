"""Numbers as texts."""

import pytest

from app.analysis.number_texts import format_p_with_name


@pytest.mark.parametrize(
    ("p_value", "words"),
    [(1.0, "p = 1.00"), (0.1, "p = 0.10"), (0.0127, "p = 0.013"), (0.0009, "p < 0.001"), (0, "p < 0.001")],
)
def test_p_values_are_rounded(p_value: float, words: str) -> None:
    assert format_p_with_name(p_value) == words
