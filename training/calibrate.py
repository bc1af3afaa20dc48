"""Choose the temperature and the offset that make the answers of a trained network honest."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from training.evaluate import expected_calibration_error

OFFSETS = (-1.0, -1.25, -1.5, -1.75, -2.0, -2.25, -2.5)
"""A greater offset would flag digits; a smaller one would let other drawings pass."""


class Calibration(NamedTuple):
    """What turns logits into honest probabilities: softmax(logits / temperature), with `offset` added to the last."""

    temperature: float
    offset: float


def calibrate(logits: Tensor, labels: npt.NDArray[np.int64]) -> Calibration:
    """Return the calibration for logits (N, 11) of held-out digits.

    The temperature has the lowest cross entropy on the ten digits (Guo et al. 2017, arXiv 1706.04599). The offset says
    how rare drawings without a digit are; the one with the lowest calibration error on digits is best.
    """
    right = torch.from_numpy(labels)
    temperatures = torch.linspace(0.3, 3.0, 271)
    losses = [float(F.cross_entropy(logits[:, :10] / t, right)) for t in temperatures]
    temperature = float(temperatures[int(np.argmin(losses))])
    errors = [_error(logits, Calibration(temperature, offset), right) for offset in OFFSETS]
    return Calibration(temperature, OFFSETS[int(np.argmin(errors))])


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
