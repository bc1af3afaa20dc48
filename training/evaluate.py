"""Evaluate a model file with the service's own classifier."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from app.classifier import Classifier
from training.mnist import Digits

BINS = 15


@dataclass(frozen=True)
class Measured:
    """Accuracy and expected calibration error, both 0..1, on `count` drawings, and the confused digits."""

    count: int
    accuracy: float
    calibration_error: float
    confusions: list[tuple[int, int, int]]
    """(label, prediction, count), the most frequent first."""


def fit_temperature(logits: Tensor, labels: npt.NDArray[np.int64]) -> float:
    """Return the temperature with the lowest cross entropy on held-out logits (N, 10), in steps of 0.01.

    Guo et al. 2017 (arXiv 1706.04599): one divisor for all logits calibrates a network and changes no prediction.
    """
    candidates = torch.linspace(0.3, 3.0, 271)
    losses = [float(F.cross_entropy(logits / t, torch.from_numpy(labels))) for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def measure(classifier: Classifier, digits: Digits) -> Measured:
    """Classify the drawings and compare the predictions with the labels."""
    answers = classifier.classify_batch(digits.images)
    read = np.array([int(answer["prediction"]) for answer in answers])
    confidence = np.array([answer["confidence"] for answer in answers])
    right = read == digits.labels
    wrong = list(zip(digits.labels[~right].tolist(), read[~right].tolist(), strict=True))
    confusions = sorted(((*pair, wrong.count(pair)) for pair in set(wrong)), key=lambda row: (-row[2], row))
    return Measured(len(read), float(right.mean()), expected_calibration_error(confidence, right), confusions)


def expected_calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
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


def not_digits(count: int, seed: int) -> dict[str, npt.NDArray[np.uint8]]:
    """Generate drawings without a digit, each uint8 (N, 28, 28)."""
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


def highest_confidence(classifier: Classifier, images: npt.NDArray[np.uint8]) -> float:
    """Return the highest confidence of the predictions."""
    return max(answer["confidence"] for answer in classifier.classify_batch(images))


def mean_confidence(classifier: Classifier, images: npt.NDArray[np.uint8]) -> float:
    """Return the mean confidence of the predictions."""
    return float(np.mean([answer["confidence"] for answer in classifier.classify_batch(images)]))
