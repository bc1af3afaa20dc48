"""Read the size of an image file and refuse unusual structures, without decoding."""

import re
from collections.abc import Callable
from struct import error, unpack_from
from typing import Final

from app.drawings.formats import FORMAT_NAMES

MAX_PIXELS: Final = 25_000_000

# Pillow and libjpeg need time even for parts that they skip.
MAX_PARTS: Final = 10_000
MAX_SEGMENTS: Final = 1_000
MAX_BLOCKS: Final = 50_000
MAX_JUNK_BYTES: Final = 65_536

# Ten are usual. Each scan of a progressive JPEG visits all pixels.
MAX_SCANS: Final = 100
MAX_SCANNED_PIXELS: Final = 16 * MAX_PIXELS

_JPEG_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA

TOO_LARGE: Final = f"The image has more than {MAX_PIXELS // 1_000_000} megapixels; make it smaller."
_TOO_MANY_PARTS: Final = "The file has too many parts; save the image again."


class ImageError(Exception):
    """The image cannot be read. The text is one sentence."""


def count_pixels(data: bytes) -> int:
    """Count the pixels of the first picture; raise ImageError, also for too many parts."""
    if not data:
        raise ImageError("The file is empty.")
    measure = next((measure for start, measure in _MEASURES.items() if data.startswith(start)), None)
    if measure is None:
        raise ImageError(f"The file is not a {FORMAT_NAMES} image.")
    try:
        pixels = measure(data)
    except (error, IndexError):
        pixels = 0
    if not pixels:
        raise ImageError("The image is cut off or has no pixels.")
    refuse_too_large(pixels)
    return pixels


def refuse_too_large(pixels: int) -> None:
    if pixels > MAX_PIXELS:
        raise ImageError(TOO_LARGE)


def _png(data: bytes) -> int:
    width, height = unpack_from(">II", data, 16)
    at = 8
    for _ in range(MAX_PARTS):
        (length,) = unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IEND":
            return int(width * height)
        at += 12 + length
    raise ImageError(_TOO_MANY_PARTS)


def _webp(data: bytes) -> int:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in unpack_from("<HH", data, 26))
    at, end = 12, 8 + unpack_from("<I", data, 4)[0]
    for _ in range(MAX_PARTS):
        if at >= end:
            return width * height
        (length,) = unpack_from("<I", data, at + 4)
        at += 8 + length + length % 2
    raise ImageError(_TOO_MANY_PARTS)


def _bmp(data: bytes) -> int:
    (header,) = unpack_from("<I", data, 14)
    width, height = unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(int(width * height))


def _gif(data: bytes) -> int:
    width, height, flags = unpack_from("<HHB", data, 6)
    at = 13 + _palette_bytes(flags)
    inside = False
    for _ in range(MAX_BLOCKS):
        if inside:
            inside = data[at] > 0
            at += 1 + data[at]
        elif data[at] == ord(","):
            left, top, across, down = unpack_from("<HHHH", data, at + 1)
            return int(max(width, left + across) * max(height, top + down))
        elif data[at] == ord(";"):
            return int(width * height)
        else:
            inside = data[at] == ord("!")
            at += 2 if inside else 1
    raise ImageError(_TOO_MANY_PARTS)


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 128 else 0


def _jpeg(data: bytes) -> int:
    at, pixels, scans = 2, 0, 0
    for _ in range(MAX_SEGMENTS):
        marker = _JPEG_MARKER.search(data, at)
        if marker is None or data[marker.end() - 1] == _END_OF_IMAGE:
            return pixels
        kind = data[marker.end() - 1]
        if not scans and marker.start() > at + MAX_JUNK_BYTES:
            break
        at = marker.end()
        if kind in (0x01, _START_OF_IMAGE):
            continue
        if kind in _FRAMES:
            height, width = unpack_from(">HH", data, at + 3)
            pixels = max(pixels, height * width)
            refuse_too_large(pixels)
        scans += kind == _START_OF_SCAN
        if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
            raise ImageError("The JPEG has too many scans; save it again.")
        at += unpack_from(">H", data, at)[0]
    raise ImageError(_TOO_MANY_PARTS)


_MEASURES: Final[dict[bytes, Callable[[bytes], int]]] = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"RIFF": _webp,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"BM": _bmp,
}
