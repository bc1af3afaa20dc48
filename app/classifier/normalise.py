"""Scale and centre drawings as MNIST's digits are; see `app.drawings.arrays`."""

import numpy as np
import numpy.typing as npt

from app.drawings.arrays import BOX, CENTRE, INK_SHARE, LINE_SHARE
from app.drawings.shape import SIDE

# Drawings below this level (of 255) are blank; scaling would amplify their noise.
BLANK_BELOW = 16

# In levels and pixels. Drawings within these limits stay unchanged: resampling would blur them.
PASS_PEAK = 200
PASS_BOX = (18, 20)
PASS_OFF_CENTRE = 0.75

# More would make digits of stray pixels.
LARGEST_MAGNIFICATION = 4.0

_PIXELS = np.arange(SIDE, dtype=np.float32)
_PIXEL_CENTRES = _PIXELS + np.float32(0.5)

_ONES = np.ones(SIDE, np.float32)
_ALMOST_NOTHING = np.float32(1e-6)

Floats = npt.NDArray[np.float32]


def normalise(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Normalise uint8 (N, 28, 28); blank and normalised drawings stay unchanged."""
    peak = images.max(axis=(1, 2), initial=0)
    mass = (images * (images > (peak * INK_SHARE)[:, None, None])).astype(np.float32)
    # Ink of rows and columns (2, N, 28), its start, end and centre (2, N).
    lines = np.empty((2, len(images), SIDE), np.float32)
    np.matmul(mass, _ONES, out=lines[0])
    np.matmul(_ONES, mass, out=lines[1])
    occupied = lines > (peak * LINE_SHARE)[:, None]
    start = occupied.argmax(axis=2).astype(np.float32)
    end = SIDE - occupied[:, :, ::-1].argmax(axis=2).astype(np.float32)
    side = (end - start).max(axis=0)
    centre = lines @ _PIXEL_CENTRES / np.maximum(lines[0] @ _ONES, 1)

    near = abs(centre - CENTRE).max(axis=0) <= PASS_OFF_CENTRE
    fits = near & (peak >= PASS_PEAK) & (side >= PASS_BOX[0]) & (side <= PASS_BOX[1])
    (change,) = (~fits & (peak >= BLANK_BELOW)).nonzero()
    if not change.size:
        return images

    centre, start, end = centre[:, change], start[:, change], end[:, change]
    step = np.maximum(side[change] / BOX, np.float32(1 / LARGEST_MAGNIFICATION))
    # Ink outside the box is noise.
    rows, columns = (start[..., None] - 1 <= _PIXELS) & (end[..., None] >= _PIXELS)
    ink = images[change] * (rows[:, :, None] & columns[:, None, :])
    down, across = _resampling(centre, start, end, step)
    fitted = down @ ink.astype(np.float32) @ across.transpose(0, 2, 1)
    fitted *= 255 / np.maximum(fitted.max(axis=(1, 2), keepdims=True), 1)

    result = images.copy()
    result[change] = np.rint(fitted, out=fitted)
    return result


def _resampling(centre: Floats, start: Floats, end: Floats, step: Floats) -> Floats:
    """Return weights (2, N, 28, 28) from source to target rows and columns.

    `step` is source pixels per target pixel. Triangle kernel, at least one source pixel wide: shrinking averages,
    enlarging interpolates.
    """
    # Centre the mass unless that would push ink over the edge.
    target = np.minimum(np.maximum((centre - start) / step, CENTRE), SIDE - (end - centre) / step)
    at = (_PIXEL_CENTRES - target[..., None]) * step[:, None] + centre[..., None]
    weights: Floats = abs(at[..., None] - _PIXEL_CENTRES)
    np.subtract(np.maximum(step, 1)[:, None, None], weights, out=weights)
    np.maximum(weights, 0, out=weights)
    weights /= np.maximum(weights @ _ONES, _ALMOST_NOTHING)[..., None]
    return weights
