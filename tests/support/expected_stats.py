"""Statistics computed row by row, to compare with those of the service."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.stored_rows import Row

# The 97.5 % quantile of the normal distribution.
Z = 1.959963984540054


def share(successes: int, trials: int) -> dict[str, Any]:
    """A share with its Wilson interval, by the formula of Wilson 1927."""
    if not trials:
        return {"accuracy": None, "interval": None}
    p = successes / trials
    middle = (p + Z * Z / (2 * trials)) / (1 + Z * Z / trials)
    half = Z / (1 + Z * Z / trials) * math.sqrt(p * (1 - p) / trials + Z * Z / (4 * trials * trials))
    interval = pytest.approx([middle - half, middle + half], abs=1e-6)
    return {"accuracy": pytest.approx(p, abs=1e-6), "interval": interval}


def accuracy(answers: Iterable[tuple[str, str | None, float | None]]) -> dict[str, Any]:
    """The accuracy of predictions with these labels and `not_a_digit`."""
    labelled = [(answer, label, told) for answer, label, told in answers if label is not None]
    correct = sum(answer == label for answer, label, _ in labelled)
    not_a_digit = sum(label == "none" for _, label, _ in labelled)
    return {
        "labelled": len(labelled),
        "correct": correct,
        "not_a_digit": not_a_digit,
        **share(correct, len(labelled)),
        "accuracy_of_digits": share(correct, len(labelled) - not_a_digit)["accuracy"],
        "digit_or_not": digit_or_not((label, told) for _, label, told in labelled if told is not None),
    }


def digit_or_not(labelled: Iterable[tuple[str, float]]) -> dict[str, int] | None:
    """How these labels and `not_a_digit` go together."""
    found = Counter((label == "none", told > 0.5) for label, told in labelled)
    if not found:
        return None
    return {
        "none": found[True, True] + found[True, False],
        "none_found": found[True, True],
        "digits": found[False, True] + found[False, False],
        "digits_refused": found[False, True],
    }


def accuracy_of(rows: Iterable[Row]) -> dict[str, Any]:
    """How often the prediction of these rows is their label."""
    return accuracy((row.prediction, row.label, row.not_a_digit) for row in rows)


def not_a_digit_share(rows: Iterable[Row]) -> Any:
    """The share of these rows that the model takes for no digit."""
    return mean([float(row.not_a_digit > 0.5) for row in rows if row.not_a_digit is not None])


def mean(values: list[float]) -> Any:
    """The mean, exact up to 1e-6, or None without values."""
    return pytest.approx(math.fsum(values) / len(values), abs=1e-6) if values else None


def confidence_of(rows: list[Row]) -> dict[str, Any]:
    """How many rows there are, and their mean confidence."""
    return {"count": len(rows), "mean_confidence": mean([row.confidence for row in rows])}


def stats_of(rows: list[Row]) -> dict[str, Any]:
    """The fields that `/stats` and each bucket of `/stats/timeline` share."""
    digits = {*"0123456789", *(row.prediction for row in rows)}
    versions = {row.model_version for row in rows}
    of_version = {version: [row for row in rows if row.model_version == version] for version in versions}
    return {
        **confidence_of(rows),
        "not_a_digit_share": not_a_digit_share(rows),
        "digits": {digit: confidence_of([row for row in rows if row.prediction == digit]) for digit in digits},
        "model_versions": {
            version: {
                **confidence_of(part),
                "not_a_digit_share": not_a_digit_share(part),
                "accuracy": accuracy_of(part),
            }
            for version, part in of_version.items()
        },
        "accuracy": accuracy_of(rows),
    }
