"""A shadow model: its stored rows, and one that hangs."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.classifier import Classification, Classifier
from tests.support.service import rows


def shadow_rows(database_url: str) -> list[dict[str, Any]]:
    """The stored shadow predictions, by prediction and model."""
    return rows(database_url, "SELECT * FROM shadow_predictions ORDER BY prediction_id, model_sha256")


class HangingClassifier(Classifier):
    """A classifier that hangs until it is released."""

    def __init__(self, path: Path) -> None:
        self.started, self.released = threading.Event(), threading.Event()
        super().__init__(path)

    def classify_batch(self, images: npt.NDArray[np.uint8]) -> list[Classification]:
        self.started.set()
        self.released.wait()
        return super().classify_batch(images)
