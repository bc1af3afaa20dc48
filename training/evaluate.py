"""What the finished model file can do, measured through the same classifier that the service uses."""

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
    """Accuracy and expected calibration error, both 0..1, on `count` drawings; and which digits were mistaken."""

    count: int
    accuracy: float
    calibration_error: float
    confusions: list[tuple[int, int, int]]
    """(shown, read, how often), the most frequent first."""


def fit_temperature(logits: Tensor, labels: npt.NDArray[np.int64]) -> float:
    """The temperature with the lowest cross entropy on held-out logits (N, 10), to a hundredth.

    One divisor for all logits calibrates a network without changing any answer (Guo et al. 2017, arXiv 1706.04599).
    """
    candidates = torch.linspace(0.3, 3.0, 271)
    losses = [float(F.cross_entropy(logits / t, torch.from_numpy(labels))) for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def measure(classifier: Classifier, digits: Digits) -> Measured:
    """Classify the drawings and compare with their labels."""
    answers = classifier.classify_batch(digits.images)
    read = np.array([int(answer["prediction"]) for answer in answers])
    confidence = np.array([answer["confidence"] for answer in answers])
    right = read == digits.labels
    wrong = list(zip(digits.labels[~right].tolist(), read[~right].tolist(), strict=True))
    confusions = sorted(((*pair, wrong.count(pair)) for pair in set(wrong)), key=lambda row: (-row[2], row))
    return Measured(len(read), float(right.mean()), expected_calibration_error(confidence, right), confusions)


def expected_calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The mean distance between confidence and accuracy over 15 bins of equal width, weighted by their size.

    Naeini et al. 2015, in the form of Guo et al. 2017 (arXiv 1706.04599), equation 3.
    """
    bin_of = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = 0.0
    for b in range(BINS):
        inside = bin_of == b
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(error)


def not_digits(count: int, seed: int) -> dict[str, npt.NDArray[np.uint8]]:
    """Drawings in which there is nothing to read, each uint8 (N, 28, 28)."""
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
    """The highest confidence among the answers."""
    return max(answer["confidence"] for answer in classifier.classify_batch(images))


def mean_confidence(classifier: Classifier, images: npt.NDArray[np.uint8]) -> float:
    """The mean confidence of the answers."""
    return float(np.mean([answer["confidence"] for answer in classifier.classify_batch(images)]))
