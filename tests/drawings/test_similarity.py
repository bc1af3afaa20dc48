"""Nearly identical drawings are recognised, other drawings of the same digit are not."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from app.drawings.similarity import DistinctDrawings
from app.schemas.classify import SEVEN
from training.mnist import Digits

Images = npt.NDArray[np.uint8]


def nearly_identical(first: Images, second: Images) -> bool:
    distinct = DistinctDrawings()
    assert distinct.add(first.tobytes())
    return not distinct.add(second.tobytes())


def moved(image: Images, down: int, right: int) -> Images:
    """Shift a drawing; pixels that leave the canvas are lost."""
    wide = np.pad(image, 4)
    return wide[4 - down : 32 - down, 4 - right : 32 - right]


def noisy(image: Images, deviation: float, seed: int) -> Images:
    noise = np.random.default_rng(seed).normal(0, deviation, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def seven() -> Images:
    return np.array(SEVEN, np.uint8)


def test_same_drawing_is_added_only_once(seven: Images) -> None:
    assert nearly_identical(seven, seven)


@pytest.mark.parametrize(("down", "right"), [(0, 1), (1, 0), (-1, 1), (3, -3), (-4, 4)])
def test_moved_drawing_is_nearly_identical(seven: Images, down: int, right: int) -> None:
    assert nearly_identical(seven, moved(seven, down, right))


def test_fainter_or_noisy_drawing_is_nearly_identical(seven: Images) -> None:
    assert nearly_identical(seven, seven // 3)
    assert nearly_identical(seven, noisy(moved(seven, 1, 1), 16, seed=1))


def test_mirrored_and_thinner_drawings_are_different(seven: Images) -> None:
    thin = seven.copy()
    thin[4] = 0
    for other in (seven[::-1], seven[:, ::-1], seven.T, thin):
        assert not nearly_identical(seven, other)


def test_blank_drawings_are_identical(seven: Images) -> None:
    blank = np.zeros_like(seven)
    assert nearly_identical(blank, blank)
    assert nearly_identical(blank, blank + 255)
    assert not nearly_identical(blank, seven)


def test_drawing_is_compared_with_all_added_drawings(seven: Images) -> None:
    distinct = DistinctDrawings()
    images = [seven, seven[::-1], seven.T]
    assert [distinct.add(image.tobytes()) for image in images] == [True] * 3
    assert [distinct.add(moved(image, 1, 0).tobytes()) for image in images] == [False] * 3


def test_same_drawing_of_mnist_moved_and_noisy_is_nearly_identical(mnist_test: Digits) -> None:
    steps = [(0, 1), (1, 0), (1, 1), (2, 2), (-3, 1), (-1, -1)]
    same = [
        nearly_identical(image, noisy(moved(image, *steps[number % 6]), 16 * (number % 2), seed=number))
        for number, image in enumerate(mnist_test.images[:1200])
    ]
    assert np.mean(same) > 0.995


def test_different_mnist_digits_are_rarely_nearly_identical(mnist_test: Digits) -> None:
    for digit in range(10):
        images = mnist_test.images[mnist_test.labels == digit][:45]
        alike = [nearly_identical(first, second) for first, second in combinations(images, 2)]
        assert np.mean(alike) < (0.02 if digit == 1 else 0.002), digit
