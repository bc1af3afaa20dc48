"""Normalisation gives MNIST's form, and leaves drawings in that form unchanged."""

import numpy as np
import numpy.typing as npt
import pytest

from app.classifier.normalise import normalise
from app.drawings.arrays import BLANK_BELOW
from app.drawings.shape import SIDE
from app.schemas.classify import SEVEN
from training.mnist import Digits

# MNIST's box and centre of mass.
BOX = 20
CENTRE = 14.5

Drawing = npt.NDArray[np.uint8]


def blank() -> Drawing:
    return np.zeros((SIDE, SIDE), np.uint8)


def ring(height: int, width: int, top: int, left: int, ink: int = 255, pen: int = 2) -> Drawing:
    """The outline of a rectangle, of known size and position."""
    drawing = blank()
    drawing[top : top + height, left : left + width] = ink
    drawing[top + pen : top + height - pen, left + pen : left + width - pen] = 0
    return drawing


def normalised(drawing: Drawing) -> Drawing:
    return normalise(drawing[np.newaxis])[0]


def extent(drawing: Drawing) -> tuple[int, int]:
    """Height and width of the pixels above a quarter."""
    rows, columns = np.nonzero(drawing > 64)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def centre_of_mass(drawing: Drawing) -> npt.NDArray[np.float64]:
    """In units of pixels, where pixel i covers i to i + 1."""
    total: npt.NDArray[np.float64] = np.argwhere(drawing >= 0) + 0.5
    return np.average(total, axis=0, weights=drawing.ravel())


def difference(one: Drawing, other: Drawing) -> int:
    return int(abs(one.astype(int) - other).max())


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_normalising_keeps_the_shape_of_a_batch(count: int) -> None:
    drawings = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE), np.uint8)
    result = normalise(drawings)
    assert (result.shape, result.dtype) == (drawings.shape, np.uint8)


def test_drawings_of_a_batch_are_normalised_independently() -> None:
    drawings = np.stack([blank(), ring(8, 8, 1, 1), ring(26, 20, 1, 3), np.array(SEVEN, np.uint8), ring(5, 3, 20, 22)])
    together = normalise(drawings)
    for drawing, result in zip(drawings, together, strict=True):
        np.testing.assert_array_equal(normalised(drawing), result)


def test_input_is_not_changed() -> None:
    drawing = ring(8, 8, 1, 1)
    before = drawing.copy()
    drawing.setflags(write=False)
    normalised(drawing)
    np.testing.assert_array_equal(drawing, before)


@pytest.mark.parametrize("level", [0, 1, BLANK_BELOW - 1])
def test_blank_drawing_is_unchanged(level: int) -> None:
    drawing = np.full((SIDE, SIDE), level, np.uint8)
    np.testing.assert_array_equal(normalised(drawing), drawing)


def test_normalised_drawing_is_unchanged() -> None:
    drawing = ring(20, 16, 4, 6)
    np.testing.assert_array_equal(normalised(drawing), drawing)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (12, 6), (6, 12), (20, 14), (28, 28), (28, 10), (10, 28)])
def test_ink_fills_the_box_and_keeps_its_aspect(height: int, width: int) -> None:
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    tall, wide = extent(normalised(ring(height, width, top, left)))
    assert max(tall, wide) == pytest.approx(BOX, abs=1)
    assert tall / wide == pytest.approx(height / width, rel=0.12)


@pytest.mark.parametrize(("top", "left"), [(1, 1), (1, 17), (17, 1), (17, 17), (3, 12)])
def test_position_on_the_canvas_does_not_matter(top: int, left: int) -> None:
    result = normalised(ring(10, 10, top, left))
    np.testing.assert_allclose(centre_of_mass(result), [CENTRE, CENTRE], atol=0.5)
    assert difference(result, normalised(ring(10, 10, 9, 9))) <= 1


def test_centre_of_mass_is_centred_rather_than_the_box() -> None:
    # A 7's bar is heavier than its stem, so its box is off-centre.
    result = normalised(np.roll(np.array(SEVEN, np.uint8), (4, -7), axis=(0, 1)))
    np.testing.assert_allclose(centre_of_mass(result), [CENTRE, CENTRE], atol=0.75)


@pytest.mark.parametrize("ink", [BLANK_BELOW, 40, 100, 199, 254])
def test_faint_ink_becomes_full_ink(ink: int) -> None:
    result = normalised(ring(10, 10, 3, 3, ink=ink))
    assert result.max() == 255
    assert difference(result, normalised(ring(10, 10, 3, 3))) <= 12


def test_faint_noise_moves_neither_box_nor_place() -> None:
    drawing = ring(12, 12, 2, 13)
    noise = np.random.default_rng(0).integers(0, 50, drawing.shape, np.uint8)
    assert extent(normalised(np.maximum(drawing, noise))) == extent(normalised(drawing))


def test_lone_specks_do_not_shrink_the_digit() -> None:
    drawing = ring(12, 12, 8, 8)
    with_specks = drawing.copy()
    with_specks[0, 0] = with_specks[27, 1] = 120
    assert extent(normalised(with_specks)) == extent(normalised(drawing))


def test_few_stray_pixels_are_not_enlarged_to_a_digit() -> None:
    drawing = blank()
    drawing[14, 14:16] = 255
    assert max(extent(normalised(drawing))) < BOX // 2


@pytest.mark.parametrize("seed", range(5))
def test_random_pixels_are_normalised_without_warnings(seed: int) -> None:
    random = np.random.default_rng(seed)
    drawings = random.integers(0, 256, (200, SIDE, SIDE), np.uint8)
    # Sparse ones, lines at the edge, faint ones.
    drawings[:50][random.random((50, SIDE, SIDE)) < 0.99] = 0
    drawings[50:100, 1:] = 0
    drawings[100:150, :, :-1] = 0
    drawings[150:] //= random.integers(1, 255, (50, 1, 1), np.uint8)
    # Warnings are errors here.
    result = normalise(drawings)
    changed = (result != drawings).any(axis=(1, 2))
    assert (result[changed].max(axis=(1, 2)) == 255).all()
    assert result[drawings.max(axis=(1, 2)) >= BLANK_BELOW].any(axis=(1, 2)).all()


def test_mnist_digits_are_almost_unchanged(mnist_test: Digits) -> None:
    same = (normalise(mnist_test.images) == mnist_test.images).all(axis=(1, 2))
    assert same.mean() >= 0.999
