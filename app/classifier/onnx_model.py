"""Read digits: an ONNX model behind MNIST's normalisation. Knows neither the web nor the database.

A model file takes uint8 (N, 28, 28), 0 = background and 255 = ink, and gives probabilities float32 (N, 10). Its
metadata carries `version`, `classes` (a JSON list of ten names, in the order of the output), `temperature` and
`preprocessing`.
"""

import hashlib
import json
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import onnxruntime

from app.classifier.normalise import normalise
from app.drawings.shape import SIDE

PREPROCESSING = "mnist-20x20-centre-of-mass"
"""The normalisation this code does; a model that was trained behind another one would be fed the wrong thing."""

# Enough for a score in a thousandth of a percent, and short enough to be read by people in `sqlite3`.
DECIMALS = 6


class Classification(TypedDict):
    """One answer: the likeliest class, its probability and the probability of each class by name."""

    prediction: str
    confidence: float
    scores: dict[str, float]


class ModelError(Exception):
    """The model file cannot be used. The text is one line."""


class Classifier:
    """A model that was read from a file; safe to call from any thread."""

    def __init__(self, path: Path) -> None:
        """Read the file; raise ModelError when it is missing or is not such a model."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"cannot read the model {path} ({error.strerror})") from error
        options = onnxruntime.SessionOptions()
        # One thread a call: requests run side by side already, and waking a second thread costs more than it saves.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.version = metadata["version"]
            self.classes: list[str] = json.loads(metadata["classes"])
            preprocessing = metadata["preprocessing"]
            self._input = self._session.get_inputs()[0].name
            probabilities = self._probabilities(np.zeros((1, SIDE, SIDE), np.uint8))
        except Exception as error:  # onnxruntime raises bare subclasses of Exception for whatever is wrong in a file.
            raise ModelError(f"{path} is not a PixelWise model") from error
        if preprocessing != PREPROCESSING or probabilities.shape != (1, len(self.classes)):
            raise ModelError(f"{path} was made for another version of PixelWise")
        self.sha256 = hashlib.sha256(content).hexdigest()

    def classify_batch(self, images: npt.NDArray[np.uint8]) -> list[Classification]:
        """Classify uint8 (N, 28, 28); raise ValueError for another shape or dtype."""
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"images must be uint8 of shape (N, {SIDE}, {SIDE})")
        if not len(images):
            return []
        scores = self._probabilities(normalise(images)).astype(np.float64).round(DECIMALS)
        best = scores.argmax(axis=1).tolist()
        return [
            {
                "prediction": self.classes[winner],
                "confidence": row[winner],
                "scores": dict(zip(self.classes, row, strict=True)),
            }
            for winner, row in zip(best, scores.tolist(), strict=True)
        ]

    def _probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = self._session.run(None, {self._input: images})[0]
        return result
