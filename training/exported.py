"""Exports of the service as training data: read, checked, and kept apart from what is only measured on.

What is trained on is never measured on, and the model's own answers are never trained on.
"""

import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from training.mnist import NOT_A_DIGIT, Digits

TENTH = 10
SHARE = 0.1
MOST_TIMES = 20
"""Few drawings shown often are learnt by heart, however much they are distorted."""

Images = npt.NDArray[np.uint8]


class Exported(NamedTuple):
    """One export: what is to be trained on, what is to be measured on, and what people labelled as no digit."""

    name: str
    sha256: str
    train: Digits
    test: Digits
    test_ids: npt.NDArray[np.int64]
    no_digit: Images
    """To be trained on."""
    no_digit_test: Images


def load(path: Path) -> Exported:
    """Read an NPZ export; leave out what nobody labelled. Raises ValueError for another file, OSError without one."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as read:
            arrays = {name: read[name] for name in read.files}
        manifest = json.loads(arrays["manifest.json"])
        train, _ = _digits(arrays, "train")
        test, test_ids = _digits(arrays, "test")
        none, for_testing = _images(arrays["x_none"]), arrays["test_none"].astype(bool)
        return Exported(path.name, manifest["sha256"], train, test, test_ids, none[~for_testing], none[for_testing])
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not an NPZ export of PixelWise") from error


def _digits(arrays: dict[str, Any], side: str) -> tuple[Digits, npt.NDArray[np.int64]]:
    images, labels, ids = _images(arrays[f"x_{side}"]), arrays[f"y_{side}"].astype(np.int64), arrays[f"ids_{side}"]
    labelled = arrays.get(f"labelled_{side}", np.ones(len(labels), bool))
    if not len(images) == len(labels) == len(ids) == len(labelled) or not ((labels >= 0) & (labels <= 9)).all():
        raise ValueError(f"the arrays of the {side} part do not belong together")
    return Digits(images[labelled], labels[labelled]), ids[labelled]


def _images(array: npt.NDArray[Any]) -> Images:
    if array.dtype != np.uint8 or array.shape[1:] != (28, 28):
        raise ValueError(f"drawings are uint8 (N, 28, 28), not {array.dtype} {array.shape}")
    return array


class Extra(NamedTuple):
    """The training parts of all exports, what is no digit with the label NOT_A_DIGIT."""

    digits: Digits
    check: Digits
    """One digit of ten, which is not trained on: they have a say in the choice of the epoch."""
    left_out: int
    """Drawings that MNIST's test set has, too; a figure on them would mean nothing any more."""

    @property
    def no_digits(self) -> int:
        """How many of the drawings are no digit."""
        return int((self.digits.labels == NOT_A_DIGIT).sum())

    def times_an_epoch(self, others: int) -> int:
        """How often an epoch with so many others shows each drawing: all together are to be a tenth of them."""
        return int(np.clip(SHARE * others / max(len(self.digits.labels), 1), 1, MOST_TIMES))


def together(exports: list[Exported], mnist_train: Images, mnist_test: Images) -> Extra:
    """Put the training parts of exports together.

    Raises ValueError when a drawing of a test part is in any training data, MNIST's or an export's.
    """
    images = np.concatenate([np.empty((0, 28, 28), np.uint8), *(part for e in exports for part in _to_train_on(e))])
    labels = [part for e in exports for part in (e.train.labels, np.full(len(e.no_digit), NOT_A_DIGIT))]
    trained = _contents(images) | _contents(mnist_train)
    for export in exports:
        drawings = zip(export.test.images, export.test_ids.tolist(), strict=True)
        known = [str(id_) for image, id_ in drawings if image.tobytes() in trained]
        if known:
            ids = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
            raise ValueError(
                f"{export.name}: test drawings are in the training data, too (ids {ids}). Make all exports with one "
                "seed and one test_share, and none of MNIST's training drawings"
            )
    measured = _contents(mnist_test)
    kept = np.array([image.tobytes() not in measured for image in images], bool)
    images, digits = images[kept], np.concatenate([np.empty(0, np.int64), *labels])[kept]
    checked = np.flatnonzero(digits != NOT_A_DIGIT)[::TENTH]
    fit = np.delete(np.arange(len(digits)), checked)
    return Extra(
        Digits(images[fit], digits[fit]), Digits(images[checked], digits[checked]), left_out=int((~kept).sum())
    )


def _to_train_on(export: Exported) -> tuple[Images, Images]:
    return export.train.images, export.no_digit


def _contents(images: Images) -> set[bytes]:
    return {image.tobytes() for image in images}
