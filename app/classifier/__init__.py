"""The digit classifier, with the model that the settings name."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.classifier.onnx_model import Classification, Classifier, ModelError
from app.config import get_settings
from app.drawings.arrays import Images
from app.drawings.shape import DIGITS

__all__ = [
    "Classification",
    "Classifier",
    "ModelError",
    "classify",
    "classify_batch",
    "get_classifier",
    "get_shadow_classifier",
]


@cache
def get_classifier() -> Classifier:
    """Return the model of MODEL_PATH, read once; raise ModelError."""
    remedy = "set MODEL_PATH to an ONNX file, or remove it from .env to use the model that ships"
    return _service_classifier(get_settings().model_path, remedy)


@cache
def get_shadow_classifier() -> Classifier | None:
    """Return the model of SHADOW_MODEL_PATH, or None; raise ModelError."""
    path = get_settings().shadow_model_path
    remedy = "set SHADOW_MODEL_PATH to an ONNX file, or remove it from .env"
    return None if path is None else _service_classifier(path, remedy)


def _service_classifier(path: Path, remedy: str) -> Classifier:
    """Read a model; raise ModelError unless its classes are the ten digits."""
    try:
        classifier = Classifier(path)
        if sorted(classifier.classes) != list(DIGITS):
            raise ModelError(f"{path} cannot be used: its classes are not the ten digits")
    except ModelError as error:
        raise ModelError(f"{error}; {remedy}") from error
    return classifier


def classify_batch(images: Images) -> list[Classification]:
    """Classify uint8 (N, 28, 28), 0 = background, 255 = ink; raise ValueError for another shape."""
    return get_classifier().classify_batch(images)


def classify(image: npt.NDArray[np.uint8]) -> Classification:
    """Classify uint8 (28, 28); raise ValueError for another shape."""
    return classify_batch(image[np.newaxis])[0]
