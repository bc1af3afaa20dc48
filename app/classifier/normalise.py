"""Scale and centre drawings as MNIST's digits are; see `app.drawings.arrays`."""

import numpy as np

from app.drawings.arrays import BLANK_BELOW, BOX, CENTRE, INK_SHARE, LINE_SHARE, Floats, Images
from app.drawings.shape import SIDE

# In levels and pixels. Drawings within these limits stay unchanged: resampling would blur them.
PASS_PEAK = 200
PASS_SIDE = 19
"""With a tolerance of one pixel."""
PASS_OFF_CENTRE = 0.75

# More would make digits of stray pixels.
LARGEST_MAGNIFICATION = 4.0

_PIXELS = np.arange(SIDE, dtype=np.float32)
_PIXELS_AFTER = _PIXELS + 1
_PIXEL_CENTRES = _PIXELS + np.float32(0.5)
_ONES = np.ones(SIDE, np.float32)

# As arrays, because NumPy converts a Python number in each call, which takes longer than computing.
_ZERO, _ONE, _WHITE, _SIDE, _BOX, _CENTRE, _OFF_CENTRE, _PASS_SIDE, _SMALLEST_STEP, _ALMOST_NOTHING = (
    np.array(value, np.float32)
    for value in (0, 1, 255, SIDE, BOX, CENTRE, PASS_OFF_CENTRE, PASS_SIDE, 1 / LARGEST_MAGNIFICATION, 1e-6)
)


def normalise(images: Images) -> Images:
    """Normalise uint8 (N, 28, 28); blank and normalised drawings stay unchanged."""
    peak = images.max(axis=(1, 2), initial=0)
    faint = (peak * INK_SHARE).astype(np.uint8)
    mass = (images * (images > faint[:, None, None])).astype(np.float32)
    # Ink of rows and columns (2, N, 28), its start, end and centre (2, N).
    lines = np.empty((2, len(images), SIDE), np.float32)
    np.matmul(mass, _ONES, out=lines[0])
    np.matmul(_ONES, mass, out=lines[1])
    occupied = lines > (peak * LINE_SHARE)[:, None]
    start = occupied.argmax(axis=2).astype(np.float32)
    end = _SIDE - occupied[:, :, ::-1].argmax(axis=2).astype(np.float32)
    centre = lines @ _PIXEL_CENTRES / np.maximum(lines[0] @ _ONES, _ONE)

    size, off = end - start, abs(centre - _CENTRE)
    side = np.maximum(size[0], size[1])
    near = np.maximum(off[0], off[1]) <= _OFF_CENTRE
    fits = near & (peak >= PASS_PEAK) & (abs(side - _PASS_SIDE) <= _ONE)
    (change,) = (fits < (peak >= BLANK_BELOW)).nonzero()
    if not change.size:
        return images
    if change.size == len(images):
        return _fitted(images, start, end, centre, side)
    result = images.copy()
    result[change] = _fitted(images[change], start[:, change], end[:, change], centre[:, change], side[change])
    return result


def _fitted(images: Images, start: Floats, end: Floats, centre: Floats, side: Floats) -> Images:
    down, across = _resampling(start, end, centre, np.maximum(side / _BOX, _SMALLEST_STEP))
    # Ink outside the box is noise.
    rows, columns = (start[..., None] <= _PIXELS_AFTER) & (end[..., None] >= _PIXELS)
    ink = images * (rows[:, :, None] & columns[:, None, :])
    fitted = down @ ink.astype(np.float32) @ across.transpose(0, 2, 1)
    fitted *= _WHITE / np.maximum(fitted.max(axis=(1, 2), keepdims=True), _ONE)
    result: Images = np.rint(fitted, out=fitted).astype(np.uint8)
    return result


def _resampling(start: Floats, end: Floats, centre: Floats, step: Floats) -> Floats:
    """Return weights (2, N, 28, 28) from source to target rows and columns.

    `step` is source pixels per target pixel. Triangle kernel, at least one source pixel wide: shrinking averages,
    enlarging interpolates.
    """
    # Centre the mass unless that would push ink over the edge.
    target = np.maximum((centre - start) / step, _CENTRE)
    np.minimum(target, _SIDE - (end - centre) / step, out=target)
    at = (_PIXEL_CENTRES - target[..., None]) * step[:, None] + centre[..., None]
    weights: Floats = at[..., None] - _PIXEL_CENTRES
    np.abs(weights, out=weights)
    np.subtract(np.maximum(step, _ONE)[:, None, None], weights, out=weights)
    np.maximum(weights, _ZERO, out=weights)
    weights /= np.maximum(weights @ _ONES, _ALMOST_NOTHING)[..., None]
    return weights
