"""Damaged and dangerous files are refused with a clear message."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from app.drawings.containers import MAX_PIXELS, MAX_SCANNED_PIXELS, ImageError, count_pixels
from app.drawings.formats import FORMAT_NAMES
from app.drawings.image_files import read_image
from tests.support.digit_images import FORMATS, digit_in, encoded, picture
from tests.support.hostile_images import TOO_MANY_PARTS, png_chunk, png_of, with_scans


def assert_refused(data: bytes, word: str) -> None:
    with pytest.raises(ImageError, match=word) as refusal:
        read_image(data)
    assert str(refusal.value).isprintable()


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
def test_file_that_is_not_an_image_is_refused(data: bytes) -> None:
    assert_refused(data, f"not a {FORMAT_NAMES} image|cut off")


@pytest.mark.parametrize("name", ["TIFF", "ICO", "PPM", "TGA", "PCX", "SGI", "ICNS", "JPEG2000", "AVIF"])
def test_other_formats_are_refused_by_content(name: str) -> None:
    assert_refused(encoded(picture("4", 64, mode="RGB", paper="white"), name), f"not a {FORMAT_NAMES} image")


def test_empty_file_is_refused() -> None:
    assert_refused(b"", "empty")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", FORMATS)
def test_truncated_file_is_refused(name: str, part: float) -> None:
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 80, 3), np.uint8))
    data = encoded(colours, name)
    assert_refused(data[: int(part * len(data))], "cut off|not a PNG")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_file_gives_a_drawing_or_an_image_error(name: str) -> None:
    random = np.random.default_rng(7)
    whole = np.frombuffer(encoded(picture("4", 40, mode="RGB", paper="white"), name), np.uint8)
    outcomes = set()
    for _ in range(300):
        data = whole.copy()
        # Half of the damage goes to the header.
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


@pytest.mark.parametrize(
    ("width", "height"), [(5001, 5000), (10_000, 10_000), (65_535, 65_535), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)]
)
def test_too_large_image_is_refused_before_decoding(width: int, height: int) -> None:
    # It has no pixels, so decoding would fail in another way.
    assert_refused(png_of(width, height), "25 megapixels")


def test_largest_allowed_image_is_read_and_a_larger_one_refused() -> None:
    assert MAX_PIXELS == 5000 * 5000
    drawn = Image.new("1", (5000, 5000), 1)
    drawn.paste(picture("4", 1000, mode="1", paper=1), (3000, 1000))
    assert digit_in(encoded(drawn)) == "4"
    assert_refused(encoded(Image.new("1", (5000, 5001))), "25 megapixels")


# Where each format stores the size, and an enormous one.
ENORMOUS = {
    "GIF": (b"GIF8", 6, struct.pack("<HH", 65_535, 65_535)),
    "WEBP": (b"RIFF", 26, struct.pack("<HH", 16_383, 16_383)),
    "BMP": (b"BM", 18, struct.pack("<ii", 60_000, 60_000)),
    "JPEG": (b"\xff\xc0", 5, struct.pack(">HH", 65_500, 65_500)),
}


@pytest.mark.parametrize("name", ENORMOUS)
def test_header_with_a_wrong_size_is_refused(name: str) -> None:
    data = bytearray(encoded(picture("4", 40, mode="RGB", paper="white"), name))
    mark, distance, size = ENORMOUS[name]
    at = data.index(mark) + distance
    data[at : at + len(size)] = size
    assert_refused(bytes(data), "25 megapixels")


def test_png_without_pixels_is_refused() -> None:
    for width, height in ((0, 0), (0, 10), (10, 0)):
        assert_refused(png_of(width, height), "cut off|not a PNG")


@pytest.mark.parametrize("first", [b"IHDR", b"prVt"])
def test_png_that_is_larger_than_its_first_chunk_says_is_refused(first: bytes) -> None:
    data = encoded(Image.new("L", (600, 500), 255))
    small = png_chunk(first, struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0))
    assert count_pixels(data[:8] + small + data[8:]) == 28 * 28
    assert_refused(data[:8] + small + data[8:], "different sizes")


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "iCCP", "many"])
def test_compressed_text_bomb_is_refused(kind: str) -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    chunk = {
        "zTXt": png_chunk(b"zTXt", b"k\0\0" + bomb),
        "iTXt": png_chunk(b"iTXt", b"k\0\1\0\0\0" + bomb),
        "iCCP": png_chunk(b"iCCP", b"k\0\0" + bomb),
        "many": png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1_000_000), 9)) * 100,
    }[kind]
    plain = encoded(picture("4"))
    assert_refused(plain[:33] + chunk + plain[33:], "too much metadata")


def test_text_of_usual_length_is_accepted() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "drawn by hand " * 1000, zip=True)
    assert digit_in(encoded(picture("4"), pnginfo=text)) == "4"


@pytest.mark.parametrize("name", TOO_MANY_PARTS)
def test_file_with_too_many_parts_is_refused_before_decoding(name: str) -> None:
    with pytest.raises(ImageError, match="too many"):
        count_pixels(TOO_MANY_PARTS[name])


@pytest.mark.parametrize("scans", [5, 20])
def test_scans_are_counted_in_pixels(scans: int) -> None:
    small, large = (encoded(Image.new("L", (side, side)), "JPEG", progressive=True) for side in (100, 5000))
    assert count_pixels(with_scans(small, scans)) == 100 * 100
    # A grey image has six scans.
    if (6 + scans) * MAX_PIXELS <= MAX_SCANNED_PIXELS:
        assert count_pixels(with_scans(large, scans)) == MAX_PIXELS
    else:
        with pytest.raises(ImageError, match="scans"):
            count_pixels(with_scans(large, scans))


@pytest.mark.parametrize("name", FORMATS)
def test_size_is_found_without_decoding(name: str) -> None:
    colours = Image.new("RGB", (311, 97), "white")
    assert count_pixels(encoded(colours, name)) == 311 * 97
    with pytest.raises(ImageError):
        count_pixels(encoded(colours, name)[:17])


def test_lossless_webp_and_animations_have_a_size() -> None:
    frames = [Image.new("RGBA", (311, 97), (level, 0, 0, level)) for level in (10, 200)]
    assert count_pixels(encoded(frames[0], "WEBP", lossless=True)) == 311 * 97
    for name in ("PNG", "GIF", "WEBP"):
        assert count_pixels(encoded(frames[0], name, save_all=True, append_images=frames[1:])) == 311 * 97
