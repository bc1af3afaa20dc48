"""Image files that make decoders work long, or that are not what they seem."""

import struct
import zlib

from app.drawings.containers import MAX_BLOCKS, MAX_JUNK_BYTES, MAX_PARTS, MAX_SCANS, MAX_SEGMENTS
from tests.support.digit_images import encoded, picture


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, *, pixels: bytes = b"", depth: int = 8, colour: int = 0) -> bytes:
    """A PNG whose header claims this size."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT", zlib.compress(pixels)) + png_chunk(b"IEND", b"")


def bmp_of(width: int, height: int, runs: bytes) -> bytes:
    """A BMP of run lengths (RLE8), which Pillow decodes in Python."""
    palette = bytes(level for grey in range(256) for level in (grey, grey, grey, 0))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    start = 14 + len(header) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(runs), 0, 0, start) + header + palette + runs


def with_scans(data: bytes, more: int) -> bytes:
    """Repeat the last scan of a progressive JPEG."""
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (1 + more) + data[-2:]


# A million runs of one pixel.
SLOW_BMP = bmp_of(1000, 1000, b"\1\0" * 1_000_000)

_PNG = encoded(picture("4"))
_JPEG = encoded(picture("4"), "JPEG")
_PROGRESSIVE = encoded(picture("4"), "JPEG", progressive=True)
_GIF = encoded(picture("4").convert("P"), "GIF")
_WEBP = encoded(picture("4", mode="RGB", paper="white"), "WEBP")
_GIF_IMAGE = _GIF.rindex(b",\0\0\0\0")


def _riff(content: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content


# A small file for each limit on what a decoder must step through.
TOO_MANY_PARTS = {
    "PNG chunks": _PNG[:33] + png_chunk(b"prVt", b"") * MAX_PARTS + _PNG[33:],
    "JPEG segments": _JPEG[:2] + b"\xff\xfe\0\2" * MAX_SEGMENTS + _JPEG[2:],
    "JPEG bytes between segments": _JPEG[:2] + b"\xff\xfe\0\2" + bytes(MAX_JUNK_BYTES + 1) + _JPEG[2:],
    "JPEG fill bytes": _JPEG[:2] + b"\xff" * (MAX_JUNK_BYTES + 2) + _JPEG[2:],
    "JPEG scans": with_scans(_PROGRESSIVE, MAX_SCANS),
    "JPEG scans behind a false end": with_scans(
        _PROGRESSIVE.replace(b"\xff\xda", b"\xff\xfe\0\4\xff\xd9\xff\xda", 1), MAX_SCANS
    ),
    "GIF extensions": _GIF[:_GIF_IMAGE] + b"!\xfe\0" * MAX_BLOCKS + _GIF[_GIF_IMAGE:],
    "GIF blocks": _GIF[:_GIF_IMAGE] + b"!\xfe" + b"\1x" * MAX_BLOCKS + b"\0" + _GIF[_GIF_IMAGE:],
    "GIF bytes between blocks": _GIF[:_GIF_IMAGE] + bytes(MAX_BLOCKS) + _GIF[_GIF_IMAGE:],
    "WebP chunks": _riff(_WEBP[12:] + b"prVt\0\0\0\0" * MAX_PARTS),
}
