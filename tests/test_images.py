"""Files become drawings: real files, of every format and kind that people have."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from pictures import FORMATS, digit_in, encoded, picture
from PIL import ExifTags, Image, PngImagePlugin
from service import random_drawings

from app.classifier import classify
from app.images import MAX_PIXELS, MAX_SCANS, ImageError, read_image
from app.schemas.drawings import SEVEN

DRAWN = np.array(SEVEN, np.uint8)


def assert_refused(data: bytes, word: str) -> None:
    with pytest.raises(ImageError, match=word) as refusal:
        read_image(data)
    assert str(refusal.value).isprintable()


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


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)], ids=["dark on light", "light on dark"])
def test_every_way_to_store_pixels_is_understood(kind: str, ink: int, paper: int) -> None:
    assert digit_in(MODES[kind](picture("4", ink=ink, paper=paper))) == "4"


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_first_picture_of_an_animation_counts(name: str) -> None:
    frames = [picture(digit, mode="RGB", paper="white") for digit in ("4", "7", "2")]
    data = encoded(frames[0], name, save_all=True, append_images=frames[1:], duration=100)
    with Image.open(BytesIO(data)) as animation:
        assert animation.n_frames == 3
    assert digit_in(data) == "4"


def test_photograph_with_a_second_picture_inside_is_read() -> None:
    data = encoded(picture("4"), "MPO", save_all=True, append_images=[picture("7")])
    assert digit_in(data) == "4"


# The orientation, and what must be done to an upright picture before it is stored with it.
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
def test_picture_is_turned_upright_as_exif_says(name: str, orientation: int) -> None:
    upright = picture("4", 300, place=(0.4, 0.45))
    turn = ORIENTATIONS[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    read = read_image(encoded(stored, name, exif=exif))
    assert classify(read)["prediction"] == "4"
    # What a viewer sees is what is read, but for what the edges of squares that are averaged lose.
    assert abs(read.astype(int) - read_image(encoded(upright))).mean() < 3


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_that_means_nothing_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    assert digit_in(encoded(picture("4"), "JPEG", exif=exif)) == "4"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\xff\xff\xff\xff", b"x" * 90]
)
def test_damaged_exif_does_not_matter(exif: bytes) -> None:
    assert digit_in(encoded(picture("4"), "JPEG", exif=exif)) == "4"


def test_white_on_black_of_28_pixels_comes_through_byte_for_byte() -> None:
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


def test_black_on_white_of_28_pixels_is_the_same_drawing() -> None:
    assert (read_image(encoded(Image.fromarray(255 - DRAWN))) == DRAWN).all()


@pytest.mark.parametrize("colour", ["black", "white", "#808080", "#c81e1e"])
@pytest.mark.parametrize("side", [28, 280, 1000])
def test_strokes_on_nothing_are_read_whatever_their_colour(colour: str, side: int) -> None:
    drawn = picture("4", side, mode="RGBA", paper=(0, 0, 0, 0), ink=colour)
    assert digit_in(encoded(drawn)) == "4"
    assert digit_in(encoded(drawn, "WEBP")) == "4"
    # What is hidden behind full transparency does not matter.
    assert digit_in(encoded(picture("4", side, mode="RGBA", paper=(255, 0, 255, 0), ink=colour))) == "4"


def test_strokes_of_several_colours_on_nothing_are_read() -> None:
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


def test_transparent_colour_of_a_palette_is_nothing() -> None:
    drawn = picture("4", mode="P", paper=0, ink=1)
    drawn.putpalette([255, 0, 0, 250, 10, 10])
    for name in ("PNG", "GIF"):
        assert digit_in(encoded(drawn, name, transparency=0)) == "4"


def test_picture_without_a_transparent_pixel_is_read_as_if_it_had_no_transparency() -> None:
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


@pytest.mark.parametrize(
    "data",
    [
        b"no image",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        bytes(1000),
        b"\x89PNG\r\n",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"BM",
    ],
    ids=["text", "SVG", "PDF", "zeros", "PNG's name", "JPEG's name", "GIF's name", "BMP's name"],
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert_refused(data, "no PNG, JPEG, WebP, GIF or BMP|cut off")


@pytest.mark.parametrize("name", ["TIFF", "ICO", "PPM", "TGA", "PCX", "SGI", "ICNS", "JPEG2000", "AVIF"])
def test_other_formats_are_refused_by_what_they_are(name: str) -> None:
    assert_refused(encoded(picture("4", 64, mode="RGB", paper="white"), name), "no PNG, JPEG, WebP, GIF or BMP")


def test_empty_file_is_refused() -> None:
    assert_refused(b"", "empty")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", FORMATS)
def test_file_that_is_cut_off_is_refused(name: str, part: float) -> None:
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 80, 3), np.uint8))
    data = encoded(colours, name)
    assert_refused(data[: int(part * len(data))], "cut off|no PNG")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_file_gives_a_drawing_or_a_refusal(name: str) -> None:
    random = np.random.default_rng(7)
    whole = np.frombuffer(encoded(picture("4", 40, mode="RGB", paper="white"), name), np.uint8)
    outcomes = set()
    for _ in range(300):
        data = whole.copy()
        # The head, where formats keep what they are about, is hit as often as all the rest.
        reach = len(data) if random.random() < 0.5 else min(80, len(data))
        data[random.integers(0, reach, random.integers(1, 6))] = random.integers(0, 256)
        try:
            drawing = read_image(data.tobytes())
        except ImageError:
            outcomes.add("refused")
        else:
            assert (drawing.shape, drawing.dtype) == ((28, 28), np.uint8)
            outcomes.add("read")
    assert outcomes == {"read", "refused"}


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, *, pixels: bytes = b"") -> bytes:
    """A grey PNG that says that it has so many pixels."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT", zlib.compress(pixels)) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"), [(5001, 5000), (10_000, 10_000), (65_535, 65_535), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)]
)
def test_image_of_too_many_pixels_is_refused_before_they_are_decoded(width: int, height: int) -> None:
    # There are no pixels in it, so decoding would end in another refusal.
    assert_refused(png_of(width, height), "25 megapixels")


def test_real_image_of_too_many_pixels_is_refused_and_one_of_as_many_as_allowed_is_read() -> None:
    assert MAX_PIXELS == 5000 * 5000
    drawn = Image.new("1", (5000, 5000), 1)
    drawn.paste(picture("4", 1000, mode="1", paper=1), (3000, 1000))
    assert digit_in(encoded(drawn)) == "4"
    assert_refused(encoded(Image.new("1", (5000, 5001))), "25 megapixels")


# Where each format says how large the image is, and how it says something enormous.
ENORMOUS = {
    "GIF": (b"GIF8", 6, struct.pack("<HH", 65_535, 65_535)),
    "WEBP": (b"RIFF", 26, struct.pack("<HH", 16_383, 16_383)),
    "BMP": (b"BM", 18, struct.pack("<ii", 60_000, 60_000)),
    "JPEG": (b"\xff\xc0", 5, struct.pack(">HH", 65_500, 65_500)),
}


@pytest.mark.parametrize("name", ENORMOUS)
def test_head_that_lies_about_the_size_is_refused(name: str) -> None:
    data = bytearray(encoded(picture("4", 40, mode="RGB", paper="white"), name))
    mark, distance, size = ENORMOUS[name]
    at = data.index(mark) + distance
    data[at : at + len(size)] = size
    assert_refused(bytes(data), "25 megapixels")


def test_png_without_pixels_is_refused() -> None:
    for width, height in ((0, 0), (0, 10), (10, 0)):
        assert_refused(png_of(width, height), "cut off|no PNG")


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "iCCP", "many"])
def test_text_that_explodes_is_refused(kind: str) -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    chunk = {
        "zTXt": png_chunk(b"zTXt", b"k\0\0" + bomb),
        "iTXt": png_chunk(b"iTXt", b"k\0\1\0\0\0" + bomb),
        "iCCP": png_chunk(b"iCCP", b"k\0\0" + bomb),
        "many": png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1_000_000), 9)) * 100,
    }[kind]
    plain = encoded(picture("4"))
    assert_refused(plain[:33] + chunk + plain[33:], "too much besides its pixels")


def test_text_of_a_usual_length_is_no_reason_to_refuse() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "drawn by hand " * 1000, zip=True)
    assert digit_in(encoded(picture("4"), pnginfo=text)) == "4"


def test_jpeg_of_very_many_scans_is_refused() -> None:
    data = encoded(picture("4"), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    assert digit_in(data) == "4"
    assert_refused(data[:last] + data[last:-2] * MAX_SCANS + data[-2:], "scans")
