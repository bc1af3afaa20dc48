"""Pixels as they are stored: 784 bytes, or fewer if packed.

Packed pixels are 98 bytes with a bit for each pixel, set if it is not 0, followed by the pixels that are not 0. The
first pixel has the highest bit of the first byte. The view `v_drawings` unpacks them in SQL.
"""

from collections.abc import Sequence
from typing import Final

from app.drawings.shape import PIXELS

_BITS: Final = PIXELS // 8


def pack(drawings: Sequence[bytes]) -> list[bytes]:
    """Return drawings of 784 bytes packed, or as they are if that is not shorter; raise ValueError."""
    if any(len(pixels) != PIXELS for pixels in drawings):
        raise ValueError(f"a drawing has {PIXELS} bytes")
    # Slow to load.
    import numpy as np

    bits = np.packbits(np.frombuffer(b"".join(drawings), np.uint8)).tobytes()
    inks = [pixels.translate(None, b"\0") for pixels in drawings]
    return [
        bits[number * _BITS : (number + 1) * _BITS] + ink if _BITS + len(ink) < PIXELS else pixels
        for number, (pixels, ink) in enumerate(zip(drawings, inks, strict=True))
    ]


def unpack(stored: bytes) -> bytes:
    """Return 784 bytes of what `pack` returned; other bytes give some drawing."""
    if len(stored) >= PIXELS:
        return stored
    import numpy as np

    # A drawing written by hand may lack pixels.
    complete = np.frombuffer(stored.ljust(_BITS, b"\0") + bytes(PIXELS), np.uint8)
    pixels = np.unpackbits(complete[:_BITS])
    np.place(pixels, pixels, complete[_BITS:])
    return pixels.tobytes()
