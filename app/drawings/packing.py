"""Pixels as they are stored: 784 bytes, or fewer if packed.

Packed pixels are 98 bytes with a bit for each pixel, set if it is not 0, followed by the pixels that are not 0. The
first pixel has the highest bit of the first byte. The view `v_drawings` unpacks them in SQL.
"""

from typing import Final

from app.drawings.shape import PIXELS

_BITS: Final = PIXELS // 8
_BINARY_DIGITS: Final = b"0" + b"1" * 255


def pack(pixels: bytes) -> bytes:
    """Return 784 bytes packed, or as they are if that is not shorter."""
    ink = pixels.translate(None, b"\0")
    if _BITS + len(ink) >= PIXELS:
        return pixels
    # NumPy takes as long for a single drawing.
    return int(pixels.translate(_BINARY_DIGITS), 2).to_bytes(_BITS) + ink


def unpack(stored: bytes) -> bytes:
    """Return 784 bytes of what `pack` returned; other bytes give some drawing."""
    if len(stored) >= PIXELS:
        return stored
    # Slow to load.
    import numpy as np

    # A drawing written by hand may lack pixels.
    complete = np.frombuffer(stored.ljust(_BITS, b"\0") + bytes(PIXELS), np.uint8)
    pixels = np.unpackbits(complete[:_BITS])
    np.place(pixels, pixels, complete[_BITS:])
    return pixels.tobytes()
