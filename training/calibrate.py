"""Choose the temperature and the offset that make the answers of a trained network honest."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.evaluate import expected_calibration_error

TEMPERATURES = tuple(round(0.5 + 0.02 * step, 2) for step in range(101))
OFFSETS = (-1.0, -1.25, -1.5, -1.75, -2.0)
"""A greater offset would flag digits; a smaller one would let other drawings pass."""


class Calibration(NamedTuple):
    """What turns logits into honest probabilities: softmax(logits / temperature), with `offset` added to the last."""

    temperature: float
    offset: float


def calibrate(logits: Tensor, labels: npt.NDArray[np.int64]) -> Calibration:
    """Return the calibration with the lowest calibration error for logits (N, 11) of held-out digits.

    One divisor for all logits calibrates a network and changes no prediction (Guo et al. 2017, arXiv 1706.04599). The
    offset says how rare drawings without a digit are.
    """
    right = torch.from_numpy(labels)
    choices = [Calibration(temperature, offset) for temperature in TEMPERATURES for offset in OFFSETS]
    return min(choices, key=lambda choice: _error(logits, choice, right))


def probabilities(logits: Tensor, calibration: Calibration) -> Tensor:
    """Return the probabilities (N, 11)."""
    shifted = logits / calibration.temperature
    shifted[:, -1] += calibration.offset
    return torch.softmax(shifted, dim=1)


def _error(logits: Tensor, calibration: Calibration, right: Tensor) -> float:
    found = probabilities(logits, calibration)
    # As served: each digit has a tenth of the probability of no digit.
    confidence, read = (found[:, :10] + found[:, 10:] / 10).max(dim=1)
    return expected_calibration_error(confidence.numpy().astype(np.float64), (read == right).numpy())
