"""The shape of a drawing, and of the MNIST digit that it becomes."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

SIDE: Final = 28
PIXELS: Final = SIDE * SIDE

DIGITS: Final = tuple("0123456789")

# MNIST's form (http://yann.lecun.com/exdb/mnist/): the ink fills a box of 20 x 20, and its centre of mass lies in
# pixel 14, whose centre is 14.5 when pixel i covers [i, i + 1).
BOX: Final = 20
CENTRE: Final = np.float32(14.5)

# A pixel is ink above a quarter of the darkest pixel: noise and the faint rim of a stroke do not move the box.
INK_SHARE: Final = np.float32(0.25)

# A row or column belongs to the box when its ink adds up to half of the darkest pixel: a lone speck does not.
LINE_SHARE: Final = np.float32(0.5)


def images_of(drawings: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Return drawings of 784 bytes each as uint8 (N, 28, 28)."""
    return np.frombuffer(b"".join(drawings), np.uint8).reshape(-1, SIDE, SIDE)


def rows_of(drawing: bytes) -> list[list[int]]:
    """Return a drawing of 784 bytes as 28 rows of 28 numbers."""
    return [list(drawing[start : start + SIDE]) for start in range(0, PIXELS, SIDE)]
