"""A digit is read apart from frames, margins, bars and the like, or the image is refused."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from app.classifier import classify, classify_batch
from app.drawings.containers import ImageError
from app.drawings.extract import drawing_of
from app.drawings.image_files import read_image
from tests.support.digit_images import encoded, picture
from training.mnist import Digits

Change = Callable[[Image.Image], Image.Image]


def margin(level: int, left: int, top: int) -> Change:
    return lambda sheet: ImageOps.expand(sheet, (left, top), level)


def frame(width: int, level: int, distance: int = 0) -> Change:
    def draw(sheet: Image.Image) -> Image.Image:
        drawn = sheet.copy()
        for at in range(distance, distance + width):
            ImageDraw.Draw(drawn).rectangle((at, at, sheet.width - 1 - at, sheet.height - 1 - at), outline=level)
        return drawn

    return draw


def rounded(level: int) -> Change:
    def draw(sheet: Image.Image) -> Image.Image:
        corners = Image.new("L", sheet.size, 0)
        ImageDraw.Draw(corners).rounded_rectangle((0, 0, sheet.width - 1, sheet.height - 1), 30, fill=255)
        return Image.composite(sheet, Image.new("L", sheet.size, level), corners)

    return draw


def shadow(level: int) -> Change:
    def draw(sheet: Image.Image) -> Image.Image:
        ground = ImageOps.expand(Image.new("L", sheet.size, 60), 30, level).filter(ImageFilter.GaussianBlur(7))
        ground.paste(sheet, (24, 22))
        return ground

    return draw


def status_bar(level: int) -> Change:
    def draw(sheet: Image.Image) -> Image.Image:
        screen = ImageOps.expand(sheet, (0, 100), sheet.getpixel((0, 0)))
        ImageDraw.Draw(screen).rectangle((0, 0, screen.width, 20), fill=level)
        ImageDraw.Draw(screen).text((8, 4), "12:34", fill=255 - level)
        return screen

    return draw


def table(sheet: Image.Image) -> Image.Image:
    side = sheet.width + 120
    noise = np.random.default_rng(5).normal(90, 8, (side, side)) + 20 * np.sin(np.arange(side) / 7)
    wood = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
    mask = Image.new("L", sheet.size, 255).rotate(5, expand=True)
    wood.paste(sheet.point(lambda level: 40 + level * 0.7).rotate(5, expand=True), (50, 50), mask)
    return wood


def lines(step: int) -> Change:
    def draw(sheet: Image.Image) -> Image.Image:
        drawn = sheet.copy()
        for at in range(step // 2, sheet.height, step):
            ImageDraw.Draw(drawn).line((0, at, sheet.width, at), fill=150)
        return drawn

    return draw


KINDS: dict[str, Change] = {
    "light grey margin": margin(211, 30, 30),
    "faint margin": margin(230, 30, 30),
    "wide margin": margin(220, 150, 150),
    "margin of the ink's colour": margin(0, 30, 30),
    "margin of the sheet's colour": margin(255, 30, 30),
    "frame of 1 pixel": frame(1, 0),
    "frame of 2 pixels": frame(2, 0),
    "frame of 3 pixels": frame(3, 0),
    "grey frame": frame(3, 128),
    "thick frame": frame(10, 0),
    "frame inside": frame(2, 0, 6),
    "bars above and below": margin(0, 0, 60),
    "bars at the sides": margin(0, 60, 0),
    "white bars": margin(255, 0, 60),
    "thick bars": margin(0, 0, 200),
    "rounded corners": rounded(0),
    "grey rounded corners": rounded(128),
    "shadow": shadow(200),
    "status bar": status_bar(0),
    "light status bar": status_bar(230),
    "table": table,
    "ruled lines": lines(40),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inverted", [False, True], ids=["black on white", "white on black"])
def test_digit_is_read_apart_from_its_surroundings(kind: str, inverted: bool) -> None:
    for digit in ("2", "4", "7"):
        sheet = picture(digit, ink=255, paper=0) if inverted else picture(digit)
        assert classify(drawing_of(np.asarray(KINDS[kind](sheet))))["prediction"] == digit


@pytest.mark.parametrize("kind", KINDS)
def test_blank_sheet_with_surroundings_is_blank_or_refused(kind: str) -> None:
    try:
        drawing = drawing_of(np.asarray(KINDS[kind](Image.new("L", (280, 280), 255))))
    except ImageError:
        return
    assert not drawing.any()


def test_digit_that_touches_its_frame_is_refused() -> None:
    with pytest.raises(ImageError, match="apart"):
        drawing_of(np.asarray(frame(4, 0)(picture("4", size=1))))


@pytest.mark.parametrize("shape", [(1, 1_000_000), (1_000_000, 1), (3, 200_000)])
def test_long_strip_costs_little_memory(shape: tuple[int, int]) -> None:
    strip = np.full(shape, 255, np.uint8)
    strip.reshape(-1)[250_000:280_000] = 0
    tracemalloc.start()
    with suppress(ImageError):
        drawing_of(strip)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000


@pytest.mark.parametrize("scale", [0.25, 4])
def test_size_of_a_framed_sheet_does_not_matter(scale: float) -> None:
    framed = frame(3, 0)(margin(211, 30, 30)(picture("7")))
    side = round(scale * framed.width)
    assert classify(drawing_of(np.asarray(framed.resize((side, side)))))["prediction"] == "7"


def test_sixteen_bits_and_files_are_separated_alike() -> None:
    framed = np.asarray(frame(3, 0)(picture("7")))
    expected = drawing_of(framed)
    assert (drawing_of(framed.astype(np.uint16) * np.uint16(257)) == expected).all()
    assert (read_image(encoded(Image.fromarray(framed))) == expected).all()


def test_mnist_digits_are_seldom_misread_with_confidence(mnist_test: Digits) -> None:
    drawings, labels, refused = [], [], 0
    for number, change in enumerate(list(KINDS.values()) * 8):
        digit = Image.fromarray(255 - mnist_test.images[number]).resize((224, 224), Image.Resampling.BICUBIC)
        try:
            drawings.append(drawing_of(np.asarray(change(ImageOps.expand(digit, 28, 255)))))
            labels.append(str(mnist_test.labels[number]))
        except ImageError:
            refused += 1
    answers = classify_batch(np.stack(drawings))
    wrong = [
        answer["confidence"] for answer, label in zip(answers, labels, strict=True) if answer["prediction"] != label
    ]
    assert refused + len(wrong) <= 0.05 * len(KINDS) * 8
    assert sum(confidence > 0.5 for confidence in wrong) <= 2
