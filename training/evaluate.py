"""Evaluate a model file with the service's own classifier."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from app.classifier import Classifier
from training.mnist import Digits

BINS = 15
SURE = 0.9
FLAGGED = 0.5

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """The answers to N drawings: digits, their confidence, and the probability that there is no digit."""

    read: npt.NDArray[np.int64]
    confidence: Floats
    not_a_digit: Floats


@dataclass(frozen=True)
class Measured:
    """Accuracy, expected calibration error and share flagged as no digit, all 0..1, on `count` digits."""

    count: int
    accuracy: float
    calibration_error: float
    flagged: float
    confusions: list[tuple[int, int, int]]
    """(label, prediction, count), the most frequent first."""


@dataclass(frozen=True)
class Doubted:
    """How a model answers drawings without a digit, in shares 0..1: surely a digit, and flagged as none."""

    count: int
    sure: float
    flagged: float
    separation: float
    """Probability that such a drawing looks less like a digit than a digit does (AUROC)."""


def answers(classifier: Classifier, images: Images) -> Answers:
    """Classify drawings uint8 (N, 28, 28). A model without the eleventh class doubts as far as it is unsure."""
    rows = classifier.classify_batch(images)
    read = np.array([int(row["prediction"]) for row in rows], np.int64)
    confidence = np.array([row["confidence"] for row in rows])
    doubts = [row["not_a_digit"] for row in rows]
    return Answers(
        read, confidence, np.array([1 - c if d is None else d for c, d in zip(confidence, doubts, strict=True)])
    )


def measure(classifier: Classifier, digits: Digits) -> Measured:
    """Classify the drawings and compare the predictions with the labels."""
    found = answers(classifier, digits.images)
    right = found.read == digits.labels
    wrong = list(zip(digits.labels[~right].tolist(), found.read[~right].tolist(), strict=True))
    confusions = sorted(((*pair, wrong.count(pair)) for pair in set(wrong)), key=lambda row: (-row[2], row))
    error = expected_calibration_error(found.confidence, right)
    flagged = float((found.not_a_digit > FLAGGED).mean())
    return Measured(len(right), float(right.mean()), error, flagged, confusions)


def doubted(found: Answers, digits: list[Answers]) -> Doubted:
    """Compare the answers to drawings without a digit with those to digits; the harder comparison counts."""
    return Doubted(
        len(found.read),
        float((found.confidence > SURE).mean()),
        float((found.not_a_digit > FLAGGED).mean()),
        min(separation(known.not_a_digit, found.not_a_digit) for known in digits),
    )


def separation(lower: Floats, higher: Floats) -> float:
    """Return the area under the ROC curve: how often a number of `higher` exceeds one of `lower`."""
    ranks = rankdata(np.concatenate([lower, higher]))
    above = ranks[len(lower) :].sum() - len(higher) * (len(higher) + 1) / 2
    return float(above / len(lower) / len(higher))


def expected_calibration_error(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Return the mean difference between confidence and accuracy in 15 bins of equal width, weighted by bin size.

    Naeini et al. 2015, as in Guo et al. 2017 (arXiv 1706.04599), equation 3.
    """
    bin_of = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = 0.0
    for b in range(BINS):
        inside = bin_of == b
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(error)


def noise(count: int, seed: int) -> dict[str, Images]:
    """Generate blank and noisy drawings, each uint8 (N, 28, 28)."""
    rng = np.random.default_rng(seed)
    shape = (count, 28, 28)
    coarse = rng.integers(0, 256, (count, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    return {
        "blank": np.zeros((1, 28, 28), np.uint8),
        "all ink": np.full((1, 28, 28), 255, np.uint8),
        "uniform noise": rng.integers(0, 256, shape).astype(np.uint8),
        "faint noise": rng.integers(0, 40, shape).astype(np.uint8),
        "Gaussian noise": np.clip(rng.normal(0, 60, shape), 0, 255).astype(np.uint8),
        "black and white noise": (rng.random(shape) < 0.5).astype(np.uint8) * 255,
        "coarse noise": coarse.astype(np.uint8),
    }
