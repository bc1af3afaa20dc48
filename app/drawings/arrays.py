"""Drawings as NumPy arrays, and the measures of MNIST's digits."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from app.drawings.shape import SIDE

# MNIST's digits fill 20 x 20 pixels, centred by mass on the middle of pixel (14, 14).
# See http://yann.lecun.com/exdb/mnist/.
BOX: Final = 20
CENTRE: Final = np.float32(14.5)

# Pixels below this share of the brightest one are noise.
INK_SHARE: Final = np.float32(0.25)

# Drawings below this level (of 255) are blank; scaling would amplify their noise.
BLANK_BELOW: Final = 16

# A row or column with less ink, as a share of the brightest pixel, holds only specks.
LINE_SHARE: Final = np.float32(0.5)

Images = npt.NDArray[np.uint8]
"""Of shape (N, 28, 28)."""

Floats = npt.NDArray[np.float32]


def images_of(drawings: Sequence[bytes]) -> Images:
    """Return drawings of 784 bytes as arrays."""
    return np.frombuffer(b"".join(drawings), np.uint8).reshape(-1, SIDE, SIDE)
