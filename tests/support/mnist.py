"""MNIST's test set, for the tests that measure the model."""

import os
from pathlib import Path

import pytest

from tests.support.project_copy import cannot_run
from training.mnist import Digits, load


@pytest.fixture(scope="session")
def mnist_test() -> Digits:
    """The 10,000 drawings of MNIST's test set and their labels; nothing is fetched."""
    folder = os.environ.get("PIXELWISE_MNIST_DIR")
    if not folder or not (Path(folder) / "t10k-images-idx3-ubyte.gz").exists():
        cannot_run("set PIXELWISE_MNIST_DIR to a folder with MNIST's four files")
    return load("t10k", Path(folder))
