"""Load the digits for the benchmarks: MNIST from PIXELWISE_MNIST_DIR, else scikit-learn's digits."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 28
INK = 20


@dataclass(frozen=True)
class Digits:
    """Images uint8 (N, 28, 28), 0 = background, 255 = ink; labels uint8 (N,)."""

    source: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def digits() -> Digits:
    """Return MNIST from PIXELWISE_MNIST_DIR, else scikit-learn's 1,797 digits, resized."""
    folder = os.environ.get("PIXELWISE_MNIST_DIR")
    if folder:
        return _mnist(Path(folder))
    return _small_digits()


def _mnist(folder: Path) -> Digits:
    return Digits(
        "mnist",
        _idx(folder / "train-images-idx3-ubyte", 16).reshape(-1, SIDE, SIDE),
        _idx(folder / "train-labels-idx1-ubyte", 8),
        _idx(folder / "t10k-images-idx3-ubyte", 16).reshape(-1, SIDE, SIDE),
        _idx(folder / "t10k-labels-idx1-ubyte", 8),
    )


def _idx(path: Path, header_bytes: int) -> NDArray[np.uint8]:
    """Return the bytes after the header of an idx file, gzipped or not."""
    content = path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
    return np.frombuffer(content, dtype=np.uint8, offset=header_bytes)


def _small_digits() -> Digits:
    # Not needed where MNIST is.
    from sklearn.datasets import load_digits

    small = load_digits()
    levels = (small.images * (255 / 16)).round().astype(np.uint8)
    images = np.stack([placed(_resized(image, INK), 0, 0) for image in levels])
    labels = small.target.astype(np.uint8)
    return Digits("scikit-learn", images[400:], labels[400:], images[:400], labels[:400])


def _resized(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def placed(image: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """Return a square image on an empty 28 x 28 canvas, offset from the centre and clipped at the edges."""
    side = len(image)
    canvas = np.zeros((3 * SIDE, 3 * SIDE), dtype=np.uint8)
    top = SIDE + (SIDE - side) // 2 + down
    left = SIDE + (SIDE - side) // 2 + right
    canvas[top : top + side, left : left + side] = image
    return np.ascontiguousarray(canvas[SIDE : 2 * SIDE, SIDE : 2 * SIDE])


def moved(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Scale digits by 0.5 to 1.3 and move them by up to 4 pixels, so that the classifier has to normalise each one."""
    random = np.random.default_rng(seed)
    sides = (SIDE * random.uniform(0.5, 1.3, len(images))).round().astype(int)
    offsets = random.integers(-4, 5, (len(images), 2))
    return np.stack(
        [
            placed(_resized(image, int(side)), int(down), int(right))
            for image, side, (down, right) in zip(images, sides, offsets, strict=True)
        ]
    )
