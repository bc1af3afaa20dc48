"""Drawings as arrays."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from app.drawings.shape import SIDE

# MNIST's ink fills 20 x 20, its centre of mass is at 14.5 where pixel i covers [i, i + 1); see
# http://yann.lecun.com/exdb/mnist/.
BOX: Final = 20
CENTRE: Final = np.float32(14.5)

# Of the peak: noise does not move the box.
INK_SHARE: Final = np.float32(0.25)

# Of the peak, per line: a speck does not move the box.
LINE_SHARE: Final = np.float32(0.5)


def images_of(drawings: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Return drawings of 784 bytes as uint8 (N, 28, 28)."""
    return np.frombuffer(b"".join(drawings), np.uint8).reshape(-1, SIDE, SIDE)
