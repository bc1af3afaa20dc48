"""Read exports of the service as training and test data.

Training and test drawings never overlap, and drawings that nobody labelled are not used.
"""

import json
import zipfile
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from training.mnist import NOT_A_DIGIT, Digits

TENTH = 10
SHARE = 0.1
"""The largest share of an epoch that the exports take."""
MOST_TIMES = 20
"""Drawings that are shown more often are memorised, despite the distortions."""

Images = npt.NDArray[np.uint8]


class Exported(NamedTuple):
    """One export: its training digits, its test digits, and the drawings labelled as no digit."""

    name: str
    sha256: str
    train: Digits
    train_ids: npt.NDArray[np.int64]
    test: Digits
    test_ids: npt.NDArray[np.int64]
    no_digit: Images
    """For training."""
    no_digit_ids: npt.NDArray[np.int64]
    no_digit_test: Images
    no_digit_test_ids: npt.NDArray[np.int64]


def load(path: Path) -> Exported:
    """Read the labelled drawings of an NPZ export; raise ValueError for another file, OSError without one."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as read:
            arrays = {name: read[name] for name in read.files}
        sha256 = json.loads(arrays["manifest.json"])["sha256"]
        found = _exported(path.name, sha256, arrays) if arrays.keys() & {"x_train", "x_test", "x_none"} else None
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not an NPZ export of PixelWise") from error
    if not found:
        raise ValueError(f"{path} was made without pixels; export it again without --without-pixels")
    return found


def _exported(name: str, sha256: str, arrays: dict[str, Any]) -> Exported:
    train, train_ids = _digits(arrays, "train")
    test, test_ids = _digits(arrays, "test")
    none, ids, for_testing = _images(arrays["x_none"]), arrays["ids_none"], arrays["test_none"].astype(bool)
    return Exported(
        *(name, sha256, train, train_ids, test, test_ids),
        *(none[~for_testing], ids[~for_testing], none[for_testing], ids[for_testing]),
    )


def _digits(arrays: dict[str, Any], side: str) -> tuple[Digits, npt.NDArray[np.int64]]:
    images, labels, ids = _images(arrays[f"x_{side}"]), arrays[f"y_{side}"].astype(np.int64), arrays[f"ids_{side}"]
    labelled = arrays.get(f"labelled_{side}", np.ones(len(labels), bool))
    if not len(images) == len(labels) == len(ids) == len(labelled) or not ((labels >= 0) & (labels <= 9)).all():
        raise ValueError(f"the arrays of the {side} part do not match")
    return Digits(images[labelled], labels[labelled]), ids[labelled]


def _images(array: npt.NDArray[Any]) -> Images:
    if array.dtype != np.uint8 or array.shape[1:] != (28, 28):
        raise ValueError(f"drawings must be uint8 (N, 28, 28), not {array.dtype} {array.shape}")
    return array


class Extra(NamedTuple):
    """The training parts of all exports; drawings without a digit have the label NOT_A_DIGIT."""

    digits: Digits
    check: Digits
    """Every tenth digit, held out for validation."""
    left_out: int
    """Number of drawings not used because they are in MNIST's test set."""
    relabelled: int
    """Number of drawings that the exports give several labels."""

    @property
    def no_digits(self) -> int:
        """Number of drawings without a digit."""
        return int((self.digits.labels == NOT_A_DIGIT).sum())

    def share(self, epoch: int) -> float:
        """Return the share of an epoch that the drawings take; none is shown more than MOST_TIMES times."""
        return min(SHARE, MOST_TIMES * len(self.digits.labels) / epoch)


def together(exports: list[Exported], mnist_train: Images, mnist_test: Images) -> Extra:
    """Combine the training parts of exports; raise ValueError if a test drawing is in any training data.

    Equal drawings become one, with the label of the last export, and in an export that of the last drawing.
    """
    found: dict[bytes, int] = {}
    relabelled = set()
    for content, label in (row for export in exports for row in _to_train_on(export)):
        if found.setdefault(content, label) != label:
            relabelled.add(content)
        found[content] = label
    trained = found.keys() | _contents(mnist_train)
    for export in exports:
        _refuse_trained(export, trained)
    measured = found.keys() & _contents(mnist_test)
    used = {content: label for content, label in found.items() if content not in measured}
    images = np.frombuffer(b"".join(used), np.uint8).reshape(-1, 28, 28)
    labels = np.array([*used.values()], np.int64)
    checked = np.flatnonzero(labels != NOT_A_DIGIT)[::TENTH]
    fit = np.delete(np.arange(len(labels)), checked)
    return Extra(
        Digits(images[fit], labels[fit]), Digits(images[checked], labels[checked]), len(measured), len(relabelled)
    )


def _to_train_on(export: Exported) -> Iterator[tuple[bytes, int]]:
    images = np.concatenate([export.train.images, export.no_digit])
    labels = [*export.train.labels.tolist(), *[NOT_A_DIGIT] * len(export.no_digit)]
    for place in np.argsort(np.concatenate([export.train_ids, export.no_digit_ids]), kind="stable"):
        yield images[place].tobytes(), labels[place]


def _refuse_trained(export: Exported, trained: Set[bytes]) -> None:
    images = (*export.test.images, *export.no_digit_test)
    ids = (*export.test_ids.tolist(), *export.no_digit_test_ids.tolist())
    known = [str(id_) for image, id_ in zip(images, ids, strict=True) if image.tobytes() in trained]
    if known:
        listed = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
        raise ValueError(
            f"{export.name}: test drawings are also in the training data (ids {listed}). Make all exports with the "
            "same seed and test_share, and leave out MNIST's training drawings"
        )


def _contents(images: Images) -> set[bytes]:
    return {image.tobytes() for image in images}
