"""Training without PyTorch: synthetic digits and MNIST files."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from training import mnist, strokes
from training.styles import HELD_OUT, STYLES


def drawn(count: int, seed: int, *, held_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
    return strokes.draw(count, np.random.default_rng(seed), held_out=held_out)


def test_drawn_digits_have_the_shape_and_range_of_mnist() -> None:
    images, labels = drawn(200, seed=1)
    assert (images.shape, images.dtype) == ((200, 28, 28), np.uint8)
    assert set(labels.tolist()) == set(range(10))
    assert images.max() == 255
    assert (images.max(axis=(1, 2)) > 100).all(), "every drawing has ink"
    assert (images == 0).mean() > 0.5, "most of a drawing is paper"


def test_a_fifth_of_the_lines_is_shaken_and_by_little() -> None:
    points, _ = strokes.trace(300, np.random.default_rng(1))
    moved = np.abs(strokes.shaken(points, np.random.default_rng(2)) - points).max(axis=(1, 2))
    assert 0.1 < (moved > 0).mean() < 0.3
    assert 0.005 < moved.max() < 0.1


def test_same_seed_draws_the_same_digits_and_another_seed_others() -> None:
    first, again, other = (drawn(50, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_digit_has_one_held_out_style() -> None:
    for digit, styles in STYLES.items():
        kept_out = [name for name in styles if (digit, name) in HELD_OUT]
        assert len(kept_out) == 1
        assert len(styles) >= 4


def test_held_out_styles_are_drawn_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[tuple[int, str]] = set()

    def watched(digit: int, name: str) -> None:
        style = STYLES[digit][name]

        def watch(rng: np.random.Generator) -> list[strokes.Stroke]:
            asked.add((digit, name))
            return style(rng)

        monkeypatch.setitem(STYLES[digit], name, watch)

    for digit, styles in STYLES.items():
        for name in list(styles):
            watched(digit, name)
    drawn(600, seed=3)
    assert asked
    assert not asked & HELD_OUT
    asked.clear()
    drawn(300, seed=3, held_out=True)
    assert asked == HELD_OUT


def test_flag_of_a_one_slopes_and_bar_of_a_seven_is_level() -> None:
    rng = np.random.default_rng(4)
    for _ in range(300):
        (start, tip, *_), *_ = STYLES[1]["flag"](rng)
        assert np.degrees(np.arctan2(start[1] - tip[1], tip[0] - start[0])) >= 28
        (start, tip, *_), *_ = STYLES[7]["plain"](rng)
        assert abs(np.degrees(np.arctan2(start[1] - tip[1], tip[0] - start[0]))) <= 14


def test_changed_mnist_file_is_refused(tmp_path: Path) -> None:
    for name in mnist.MD5:
        (tmp_path / name).write_bytes(gzip.compress(bytes(16 + 784)))
    with pytest.raises(ValueError, match="checksum differs"):
        mnist.load("train", tmp_path)
