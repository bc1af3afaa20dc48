"""Read MNIST from a folder or download it from its public mirror, and verify checksums."""

import gzip
import hashlib
import os
import urllib.request
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""The mirror that torchvision uses; the authors' page no longer offers the files."""

MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


NOT_A_DIGIT = 10
"""The label of drawings without a digit: the network's eleventh class."""


class Digits(NamedTuple):
    """Drawings uint8 (N, 28, 28), ink 255 on 0, and their labels int64 (N,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


def load(part: str, folder: Path | None = None) -> Digits:
    """Read `train` (60,000) or `t10k` (10,000) from the folder, PIXELWISE_MNIST_DIR or the cache, else download it.

    Raises OSError if a file can be neither read nor downloaded, and ValueError if its checksum is wrong.
    """
    named = os.environ.get("PIXELWISE_MNIST_DIR")
    source = folder or (Path(named) if named else Path.home() / ".cache" / "pixelwise" / "mnist")
    images = _read(source, f"{part}-images-idx3-ubyte.gz", header=16)
    labels = _read(source, f"{part}-labels-idx1-ubyte.gz", header=8)
    return Digits(images.reshape(-1, 28, 28).copy(), labels.astype(np.int64))


def _read(folder: Path, name: str, header: int) -> npt.NDArray[np.uint8]:
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"Downloading {MIRROR + name}", flush=True)
        with urllib.request.urlopen(MIRROR + name, timeout=60) as answer:
            packed = answer.read()
        _check(name, packed)
        path.write_bytes(packed)
    packed = path.read_bytes()
    _check(name, packed)
    return np.frombuffer(gzip.decompress(packed), np.uint8, offset=header)


def _check(name: str, packed: bytes) -> None:
    # The distributors publish only MD5; it detects damaged files, not attacks.
    if hashlib.md5(packed, usedforsecurity=False).hexdigest() != MD5[name]:
        raise ValueError(f"{name} is not the MNIST file: its checksum differs")
