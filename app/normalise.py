"""Bring a drawing to the form of an MNIST digit, whatever the pen, size and place it was drawn with.

The rule is MNIST's own (http://yann.lecun.com/exdb/mnist/): the ink, its aspect kept, fills a box of 20 x 20, and its
centre of mass lies on the centre of pixel (14, 14).
"""

import numpy as np
import numpy.typing as npt

SIDE = 28
BOX = 20

# MNIST puts the centre of mass into pixel 14, whose centre is 14.5 when pixel i covers [i, i + 1).
CENTRE = 14.5

# Ink is what is darker than a quarter of the darkest pixel: noise and the faint rim of a stroke do not move the box.
INK_SHARE = 0.25

# A row or column belongs to the box when its ink adds up to half of the darkest pixel: a lone speck does not.
LINE_SHARE = 0.5

# A drawing whose darkest pixel is lighter than this is blank. Scaling it up would make a digit out of noise.
BLANK_BELOW = 16

# A drawing this close to MNIST's form passes untouched; resampling it would only blur it.
PASS_PEAK = 200
PASS_BOX = (18, 20)
PASS_OFF_CENTRE = 0.75

# A few stray pixels are not blown up to a whole digit.
LARGEST_MAGNIFICATION = 4.0

_PIXELS = np.arange(SIDE, dtype=np.float32)
_PIXEL_CENTRES = _PIXELS + np.float32(0.5)

Floats = npt.NDArray[np.float32]


def normalise(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Fit the ink of each drawing to 20 x 20, centre its mass and stretch its contrast to 255.

    Takes and returns uint8 (N, 28, 28), 0 = background and 255 = ink. A blank drawing, and one that already has
    MNIST's form, is returned byte for byte.
    """
    peak = images.max(axis=(1, 2), initial=0)
    mass = images * (images > (peak * INK_SHARE)[:, None, None])
    rows = mass.sum(axis=2, dtype=np.float32)
    columns = mass.sum(axis=1, dtype=np.float32)
    faintest_line = (peak * LINE_SHARE)[:, None]
    top, bottom = _extent(rows > faintest_line)
    left, right = _extent(columns > faintest_line)
    side = np.maximum(bottom - top, right - left)
    total = np.maximum(rows.sum(axis=1), 1)
    x, y = columns @ _PIXEL_CENTRES / total, rows @ _PIXEL_CENTRES / total

    off_centre = np.maximum(abs(x - CENTRE), abs(y - CENTRE))
    fits = (peak >= PASS_PEAK) & (side >= PASS_BOX[0]) & (side <= PASS_BOX[1]) & (off_centre <= PASS_OFF_CENTRE)
    change = np.flatnonzero(~fits & (peak >= BLANK_BELOW))
    if not change.size:
        return images

    step = np.maximum(side / BOX, 1 / LARGEST_MAGNIFICATION)
    down = _resampling(y[change], top[change], bottom[change], step[change])
    across = _resampling(x[change], left[change], right[change], step[change])
    fitted = down @ images[change].astype(np.float32) @ across.transpose(0, 2, 1)
    stretch = 255 / np.maximum(fitted.max(axis=(1, 2), keepdims=True), 1)

    result = images.copy()
    result[change] = np.rint(fitted * stretch).astype(np.uint8)
    return result


def _extent(occupied: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the first occupied index of each line and the one after the last, as floats."""
    first = occupied.argmax(axis=1).astype(np.float32)
    end = (SIDE - occupied[:, ::-1].argmax(axis=1)).astype(np.float32)
    return first, end


def _resampling(centre: Floats, start: Floats, end: Floats, step: Floats) -> Floats:
    """Weights (N, 28, 28) that carry one axis of the source onto the target.

    `step` is the number of source pixels a target pixel spans. The kernel is a triangle as wide as one target pixel
    (or one source pixel where the drawing is enlarged), so that shrinking averages and enlarging interpolates. Source
    pixels farther than one pixel from the ink are left out, noise with them.
    """
    # The centre of mass goes to the middle unless that would push ink over the edge.
    target = np.clip(CENTRE, (centre - start) / step, SIDE - (end - centre) / step)
    at = (_PIXEL_CENTRES - target[:, None]) * step[:, None] + centre[:, None]
    width = np.maximum(step, 1)[:, None, None]
    weights = np.maximum(width - abs(at[:, :, None] - _PIXEL_CENTRES), 0)
    weights /= np.maximum(weights.sum(axis=2, keepdims=True), np.float32(1e-6))
    weights *= ((start[:, None] - 1 <= _PIXELS) & (end[:, None] >= _PIXELS))[:, None, :]
    result: Floats = weights.astype(np.float32, copy=False)
    return result
