"""Drawings as arrays, and the form of MNIST's digits.

Separate from `shape`, because NumPy takes longer to load than the command line's `--help` may.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from app.drawings.shape import SIDE

# The ink of an MNIST digit fills a box of 20 x 20, and its centre of mass lies in pixel 14, whose centre is 14.5 when
# pixel i covers [i, i + 1); see http://yann.lecun.com/exdb/mnist/.
BOX: Final = 20
CENTRE: Final = np.float32(14.5)

# A pixel is ink above a quarter of the darkest pixel: noise and the faint rim of a stroke do not move the box.
INK_SHARE: Final = np.float32(0.25)

# A row or column belongs to the box when its ink adds up to half of the darkest pixel: a lone speck does not.
LINE_SHARE: Final = np.float32(0.5)


def images_of(drawings: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Return drawings of 784 bytes each as uint8 (N, 28, 28)."""
    return np.frombuffer(b"".join(drawings), np.uint8).reshape(-1, SIDE, SIDE)
