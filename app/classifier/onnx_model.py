"""A classifier in an ONNX file.

Input uint8 (N, 28, 28), 0 = background, 255 = ink; output float32 (N, 10): the scores. Metadata: `version`, `classes`
(JSON, in output order), `temperature`, `preprocessing`. With `not_a_digit` = `true` an eleventh column has the
probability that the drawing is not a digit; each score then includes an equal share of it, so that they add up to 1.
"""

import hashlib
from pathlib import Path
from typing import TypedDict

import msgspec
import numpy as np
import onnxruntime

from app.classifier.normalise import normalise
from app.drawings.arrays import Floats, Images
from app.drawings.shape import SIDE

PREPROCESSING = "mnist-20x20-centre-of-mass"
"""The normalisation that a model must have been trained with."""

# For scores and confidences; single precision has no more valid digits.
DECIMALS = 6

_BLANK_AND_TRIANGLE = np.stack([np.zeros((SIDE, SIDE)), 64 * np.tri(SIDE)]).astype(np.uint8)


class Classification(TypedDict):
    prediction: str
    confidence: float
    not_a_digit: float | None
    scores: dict[str, float]


class ModelError(Exception):
    """The model file is unusable. The text is one line."""


class Classifier:
    """A model file; thread-safe."""

    def __init__(self, path: Path) -> None:
        """Raise ModelError if the file is missing or unsuitable."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"cannot read the model {path} ({error.strerror})") from error
        options = onnxruntime.SessionOptions()
        # Requests already run in parallel; more threads cost more than they save.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.version = metadata["version"]
            self.classes: list[str] = msgspec.json.decode(metadata["classes"], type=list[str])
            preprocessing = metadata["preprocessing"]
            self.has_not_a_digit = metadata.get("not_a_digit") == "true"
            self._input = self._session.get_inputs()[0].name
            count = self._session.get_inputs()[0].shape[0]
            output = None if isinstance(count, int) else self._run(_BLANK_AND_TRIANGLE)
        except Exception as error:  # onnxruntime raises bare subclasses of Exception.
            raise ModelError(f"{path} is not a PixelWise model") from error
        if output is None:
            raise ModelError(f"{path} takes a fixed number of drawings; export it with a variable first dimension")
        if not self.version:
            raise ModelError(f"{path} has an empty version")
        if not self.version.isprintable():
            raise ModelError(f"{path} has a version with control characters")
        if preprocessing != PREPROCESSING or output.shape != (2, len(self.classes) + self.has_not_a_digit):
            raise ModelError(f"{path} was made for another version of PixelWise")
        # NaN is outside, too.
        if not abs(output - 0.5).max() <= 0.5 + 10**-DECIMALS:
            raise ModelError(f"{path} returns numbers outside 0 to 1; it needs a softmax")
        self.sha256 = hashlib.sha256(content).hexdigest()

    def classify_batch(self, images: Images) -> list[Classification]:
        """Classify uint8 (N, 28, 28); raise ValueError for another shape or dtype."""
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"images must be uint8 of shape (N, {SIDE}, {SIDE})")
        if not len(images):
            return []
        output = self._run(self.normalise(images)).astype(np.float64).round(DECIMALS)
        classes, count, has_not_a_digit = self.classes, len(self.classes), self.has_not_a_digit
        best = output[:, :count].argmax(axis=1).tolist()
        return [
            {
                "prediction": classes[winner],
                "confidence": row[winner],
                "not_a_digit": row[count] if has_not_a_digit else None,
                # Leaves out the last column.
                "scores": dict(zip(classes, row, strict=False)),
            }
            for winner, row in zip(best, output.tolist(), strict=True)
        ]

    def normalise(self, images: Images) -> Images:
        """Return drawings as the network gets them, uint8 (N, 28, 28)."""
        return normalise(images)

    def _run(self, images: Images) -> Floats:
        result: Floats = self._session.run(None, {self._input: images})[0]
        return result
