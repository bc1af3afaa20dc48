"""Image files of every format and kind are read."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image

from app.classifier import classify
from app.drawings.containers import ImageError
from app.drawings.image_files import read_image
from app.schemas.classify import SEVEN
from tests.support.digit_images import FORMATS, digit_in, encoded, picture
from tests.support.hostile_images import png_chunk, png_of
from tests.support.service import random_drawings

DRAWN = np.array(SEVEN, np.uint8)


@pytest.mark.parametrize("side", [28, 100, 280, 1000, 3000])
@pytest.mark.parametrize("name", FORMATS)
def test_digit_is_read_in_every_format_and_size(name: str, side: int) -> None:
    assert digit_in(encoded(picture("4", side), name)) == "4"


@pytest.mark.parametrize("digit", ["2", "4", "7"])
@pytest.mark.parametrize("quality", [30, 75])
@pytest.mark.parametrize("side", [60, 280])
def test_poor_jpeg_is_read(digit: str, quality: int, side: int) -> None:
    assert digit_in(encoded(picture(digit, side), "JPEG", quality=quality)) == digit


MODES: dict[str, Callable[[Image.Image], bytes]] = {
    "one bit": lambda image: encoded(image.convert("1")),
    "one bit BMP": lambda image: encoded(image.convert("1"), "BMP"),
    "palette": lambda image: encoded(image.convert("RGB").quantize(4)),
    "palette BMP": lambda image: encoded(image.convert("P"), "BMP"),
    "sixteen bits": lambda image: encoded(Image.fromarray(np.asarray(image).astype(np.uint16) * 257)),
    "faint sixteen bits": lambda image: encoded(Image.fromarray(np.asarray(image).astype(np.uint16) * 20 + 30000)),
    "colour": lambda image: encoded(image.convert("RGB")),
    "CMYK": lambda image: encoded(image.convert("CMYK"), "JPEG"),
    "progressive": lambda image: encoded(image.convert("RGB"), "JPEG", progressive=True),
    "lossless WebP": lambda image: encoded(image.convert("RGB"), "WEBP", lossless=True),
}


SHADES = np.asarray(picture("4", 400).resize((100, 100)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("inverted", [False, True])
def test_sixteen_bit_image_that_uses_fewer_bits_is_stretched(bits: int, inverted: bool) -> None:
    full = (1 << bits) - 1
    drawn = (255 - SHADES if inverted else SHADES).astype(np.uint16) * (full // 255)
    assert digit_in(encoded(Image.fromarray(drawn))) == "4"


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_sixteen_bit_drawing_of_28_pixels_is_unchanged(bits: int) -> None:
    drawing = np.rint(DRAWN * (((1 << bits) - 1) / 255)).astype(np.uint16)
    assert (read_image(encoded(Image.fromarray(drawing))) == DRAWN).all()


MASK = (SHADES < 128).astype(np.uint8)
MASKS = {
    "grey": Image.fromarray(MASK),
    "sixteen bits": Image.fromarray(MASK.astype(np.uint16)),
    "palette": Image.fromarray(MASK).convert("P"),
    "one bit": Image.fromarray(MASK * 255).convert("1"),
    "class 7": Image.fromarray(MASK * 7),
    "inverted": Image.fromarray(1 - MASK),
    "28 pixels": Image.fromarray((DRAWN > 0).astype(np.uint8)),
}


@pytest.mark.parametrize("kind", MASKS)
def test_mask_is_stretched(kind: str) -> None:
    assert digit_in(encoded(MASKS[kind])) == ("7" if kind == "28 pixels" else "4")


def test_almost_black_image_is_refused() -> None:
    with pytest.raises(ImageError, match="almost black"):
        read_image(encoded(Image.fromarray(SHADES // 20)))


@pytest.mark.parametrize("colour", [2, 4, 6], ids=["RGB", "LA", "RGBA"])
def test_colours_of_sixteen_bits_that_use_few_are_refused(colour: int) -> None:
    # Pillow keeps the upper 8 bits.
    channels = {2: 3, 4: 2, 6: 4}[colour]
    for value, refused in ((255, True), (4095, True), (65535, False)):
        values = np.full((50, 50, channels), value, ">u2")
        if channels != 3:
            values[..., -1] = 65535
        lines = b"".join(b"\0" + line.tobytes() for line in values)
        data = png_of(50, 50, pixels=lines, depth=16, colour=colour)
        if refused:
            with pytest.raises(ImageError, match="16 bits"):
                read_image(data)
        else:
            assert not read_image(data).any()


def test_gamma_of_a_png_does_not_turn_the_drawing() -> None:
    data = encoded(picture("4"))
    for gamma in (1, 45_455, 10_000_000):
        assert digit_in(data[:33] + png_chunk(b"gAMA", gamma.to_bytes(4)) + data[33:]) == "4"


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)], ids=["dark on light", "light on dark"])
def test_every_pixel_layout_is_read(kind: str, ink: int, paper: int) -> None:
    assert digit_in(MODES[kind](picture("4", ink=ink, paper=paper))) == "4"


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_first_picture_of_an_animation_counts(name: str) -> None:
    frames = [picture(digit, mode="RGB", paper="white") for digit in ("4", "7", "2")]
    data = encoded(frames[0], name, save_all=True, append_images=frames[1:], duration=100)
    with Image.open(BytesIO(data)) as animation:
        assert animation.n_frames == 3
    assert digit_in(data) == "4"


def test_multi_picture_jpeg_is_read() -> None:
    data = encoded(picture("4"), "MPO", save_all=True, append_images=[picture("7")])
    assert digit_in(data) == "4"


# The EXIF orientation, and how an upright picture must be stored for it.
ORIENTATIONS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_exif_orientation_is_applied(name: str, orientation: int) -> None:
    upright = picture("4", 300, place=(0.4, 0.45))
    turn = ORIENTATIONS[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    read = read_image(encoded(stored, name, exif=exif))
    assert classify(read)["prediction"] == "4"
    # Equal to what a viewer shows, except for rounding at the edges of squares.
    assert abs(read.astype(int) - read_image(encoded(upright))).mean() < 3


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_invalid_orientation_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    assert digit_in(encoded(picture("4"), "JPEG", exif=exif)) == "4"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("damaged", [b"", b"no TIFF", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\xff\xff\xff\xff"])
@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_damaged_exif_is_ignored(name: str, damaged: bytes) -> None:
    assert digit_in(encoded(picture("4"), name, exif=b"Exif\0\0" + damaged)) == "4"


def test_white_on_black_image_of_28_pixels_is_unchanged() -> None:
    noise = random_drawings(1)[0]
    noise[[0, -1]] = noise[:, [0, -1]] = 0
    faint = DRAWN // 50
    for drawing in (DRAWN, noise, faint):
        grey = Image.fromarray(drawing)
        alpha = Image.merge("LA", (grey, Image.new("L", grey.size, 255)))
        files = [
            encoded(grey),
            encoded(grey.convert("RGB")),
            encoded(alpha),
            encoded(grey, "BMP"),
            encoded(grey, "GIF"),
        ]
        files.append(encoded(grey.convert("RGB"), "WEBP", lossless=True))
        for data in files:
            assert (read_image(data) == drawing).all()


def test_black_on_white_image_of_28_pixels_is_inverted() -> None:
    assert (read_image(encoded(Image.fromarray(255 - DRAWN))) == DRAWN).all()


@pytest.mark.parametrize("colour", ["black", "white", "#808080", "#c81e1e"])
@pytest.mark.parametrize("side", [28, 280, 1000])
def test_strokes_of_any_colour_on_transparency_are_read(colour: str, side: int) -> None:
    drawn = picture("4", side, mode="RGBA", paper=(0, 0, 0, 0), ink=colour)
    assert digit_in(encoded(drawn)) == "4"
    assert digit_in(encoded(drawn, "WEBP")) == "4"
    # Colours behind full transparency do not matter.
    assert digit_in(encoded(picture("4", side, mode="RGBA", paper=(255, 0, 255, 0), ink=colour))) == "4"


@pytest.mark.parametrize("colour", ["black", "white"])
def test_bar_on_transparency_that_fills_its_box_is_a_stroke(colour: str) -> None:
    bar = Image.new("RGBA", (280, 280), (0, 0, 0, 0))
    bar.paste(colour, (125, 40, 155, 240))
    drawing = read_image(encoded(bar))
    assert drawing[14, 14] == 255
    assert classify(drawing)["prediction"] == "1"


def test_strokes_of_several_colours_on_transparency_are_read() -> None:
    drawn = picture("4", mode="RGBA", paper=(0, 0, 0, 0), ink="white")
    drawn.paste(Image.new("RGB", (280, 140), "black"), (0, 0), drawn.crop((0, 0, 280, 140)).getchannel("A"))
    assert digit_in(encoded(drawn)) == "4"


@pytest.mark.parametrize(("ink", "paper"), [("black", "white"), ("white", "#102040")])
def test_sheet_with_transparent_corners_is_read(ink: str, paper: str) -> None:
    drawn = picture("4", mode="RGBA", paper=paper, ink=ink)
    corners = Image.new("L", drawn.size, 0)
    corners.paste(255, (20, 0, 260, 280))
    corners.paste(255, (0, 20, 280, 260))
    drawn.putalpha(corners)
    assert digit_in(encoded(drawn)) == "4"


def test_transparent_colour_of_a_palette_is_background() -> None:
    drawn = picture("4", mode="P", paper=0, ink=1)
    drawn.putpalette([255, 0, 0, 250, 10, 10])
    for name in ("PNG", "GIF"):
        assert digit_in(encoded(drawn, name, transparency=0)) == "4"


def test_opaque_alpha_channel_is_ignored() -> None:
    plain = picture("4", mode="RGB", paper="white")
    assert (read_image(encoded(plain.convert("RGBA"))) == read_image(encoded(plain))).all()


@pytest.mark.parametrize("colour", [0, 7, 128, 255])
@pytest.mark.parametrize("name", FORMATS)
def test_blank_image_is_a_blank_drawing(colour: int, name: str) -> None:
    for size in ((28, 28), (1, 1), (1, 500), (300, 2), (640, 480)):
        assert not read_image(encoded(Image.new("L", size, colour), name)).any()


@pytest.mark.parametrize("colour", [(0, 0, 0, 0), (255, 255, 255, 0), (9, 9, 9, 100), (9, 9, 9, 255)])
def test_blank_canvas_is_a_blank_drawing(colour: tuple[int, ...]) -> None:
    assert not read_image(encoded(Image.new("RGBA", (280, 280), colour))).any()
