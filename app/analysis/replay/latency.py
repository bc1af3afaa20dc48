"""Time models on the same drawings, alternating, so that disturbances affect all."""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Final

import numpy as np

from app.drawings.arrays import Images
from app.drawings.shape import SIDE
from app.schemas.replay import Speed

ClassifyBatch = Callable[[Images], object]

BATCH_SIZE: Final = 256
_BATCHES: Final = 5
_SINGLES: Final = 200


def speeds(models: Sequence[ClassifyBatch], drawings: Images) -> list[Speed]:
    """Time each model on drawings uint8 (N, 28, 28), one by one and in batches."""
    batch = np.resize(drawings, (BATCH_SIZE, SIDE, SIDE))
    singles: list[list[float]] = [[] for _ in models]
    batches: list[list[float]] = [[] for _ in models]
    for place in range(_SINGLES):
        for model, times in zip(models, singles, strict=True):
            times.append(_microseconds(model, batch[place : place + 1]))
    for _ in range(_BATCHES):
        for model, times in zip(models, batches, strict=True):
            times.append(_microseconds(model, batch) / BATCH_SIZE)
    return [
        Speed(single=round(median(alone), 1), batch=round(median(together), 1))
        for alone, together in zip(singles, batches, strict=True)
    ]


def _microseconds(model: ClassifyBatch, drawings: Images) -> float:
    began = perf_counter()
    model(drawings)
    return (perf_counter() - began) * 1e6
