"""Find the digit in a picture of any size and bring it to the form of an MNIST digit. Arithmetic on arrays only.

A picture holds one digit, darker or lighter than what it is drawn on. It may be a sheet of paper in uneven light: what
is wider than a fifth of the picture, such as a shadow, is not taken for ink.
"""

from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.drawings.arrays import BOX, CENTRE, INK_SHARE, LINE_SHARE
from app.drawings.shape import SIDE

Picture = npt.NDArray[np.uint8 | np.uint16]
Floats = npt.NDArray[np.float32]

# A look at a picture reduces it to so many pixels. Unless the digit fills half of the picture, another look is taken at
# what lies around it.
LOOK = 256 * 256
LOOKS = 4
MARGIN = 0.4

# The light of a picture is even when this share of its border differs from the border's median by no more levels.
EVEN_SHARE = 0.6
EVEN_WITHIN = 8

# Ink is narrower than this part of an unevenly lit picture, and whatever is wider lies on the sheet.
WIDEST_STROKE = 1 / 5

# Noise is smoothed over so many pixels before the light of the sheet is read off: the brightest of many noisy pixels
# is brighter than the sheet.
SMOOTH = 5

# Where the ink lies is seen on a coarse map, on which noise and specks fade and lines do not.
COARSE = 48

# No pixel that differs more from the sheet, or nothing on the coarse map that rises so many deviations above the noise:
# the sheet is blank.
BLANK_BELOW = 16
BLANK_DEVIATIONS = 12

# Half a pixel less than the box, because averaging leaves a faint rim around the ink, with which it fills the box.
FITTED = BOX - 0.5

# The darkest fifth of the ink becomes full ink, so that a thin line is not faint beside the spot where two cross.
FULL_INK = 80


class Box(NamedTuple):
    """Where the ink lies, in pixels."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.bottom - self.top, self.right - self.left)


def drawing_of(picture: Picture) -> npt.NDArray[np.uint8]:
    """Return the digit of a picture uint8 or uint16 (height, width) as a drawing uint8 (28, 28), ink 255 on 0.

    The ink fills 20 x 20 pixels and its centre of mass lies in the middle. A picture of 28 x 28 pixels is a drawing
    already: it only loses its background, which is nothing when it is white on black. A blank picture gives zeros.
    """
    if picture.shape == (SIDE, SIDE):
        return np.rint(_on_even_ground(_light(picture, 1))).astype(np.uint8)
    for look in range(1, LOOKS + 1):
        step = ceil(sqrt(picture.size / LOOK))
        ink = _ink(_light(picture, step))
        box = _find(ink)
        if box is None:
            break
        if step == 1 or 2 * box.side >= max(ink.shape) or look == LOOKS:
            return _fitted(ink, box)
        around = ceil(MARGIN * box.side)
        top, left = max(0, box.top - around), max(0, box.left - around)
        picture = picture[top * step : (box.bottom + around) * step, left * step : (box.right + around) * step]
    return np.zeros((SIDE, SIDE), np.uint8)


def _light(picture: Picture, step: int) -> Floats:
    """Brightness 0 to 255 of a picture made `step` times smaller."""
    return _averaged(picture, step) / np.float32(257 if picture.dtype == np.uint16 else 1)


def _averaged(values: npt.NDArray[np.number], step: int) -> Floats:
    """Return the means of squares of `step` x `step`, and of what remains of them at the lower and right edges."""
    if step == 1:
        return values.astype(np.float32)
    edges = [np.arange(0, length, step) for length in values.shape]
    rows, columns = (np.diff([*edge, length]) for edge, length in zip(edges, values.shape, strict=True))
    total = np.float32 if values.dtype == np.float32 else np.uint32
    sums = np.add.reduceat(np.add.reduceat(values, edges[0], axis=0, dtype=total), edges[1], axis=1)
    means: Floats = (sums / np.outer(rows, columns)).astype(np.float32)
    return means


def _ink(light: Floats) -> Floats:
    """How far each pixel differs from what it is drawn on, 0 to 255."""
    border = _border(light)
    if np.mean(abs(border - np.median(border)) <= EVEN_WITHIN) >= EVEN_SHARE:
        return _on_even_ground(light)
    return _on_uneven_ground(light)


def _border(light: Floats) -> Floats:
    """Return the pixels of a frame, a twentieth of the picture wide."""
    width = max(1, min(light.shape) // 20)
    inside = np.zeros(light.shape, bool)
    inside[width:-width, width:-width] = True
    return light[~inside]


def _on_even_ground(light: Floats) -> Floats:
    """Ink is what differs from the border, on the side with more of it."""
    ground = np.median(_border(light))
    dark, pale = np.maximum(ground - light, 0), np.maximum(light - ground, 0)
    ink: Floats = dark if dark.sum() > pale.sum() else pale
    return ink


def _on_uneven_ground(light: Floats) -> Floats:
    """Ink is what a morphological closing fills (the bottom-hat transform, Serra 1982), whatever the light around it.

    Strokes are few pixels far from the mean around them, so the sign of the deviations' skewness says whether they are
    dark or pale. The edges of shadows, which have as much on either side, do not count in it.
    """
    from scipy import ndimage  # Here for the reason that `app.analysis.intervals` gives.

    width = max(3, round(max(light.shape) * WIDEST_STROKE))
    deviation = light - ndimage.uniform_filter(light, width)
    if (deviation**3).sum() > 0:
        light = 255 - light
    # Beyond its edges the picture goes on as it does before them, so that the darker edge of a slope is no ink.
    beyond = [(min(width, length - 1),) * 2 for length in light.shape]
    wider = np.pad(ndimage.uniform_filter(light, SMOOTH), beyond, mode="reflect", reflect_type="odd")
    ground = ndimage.grey_closing(wider, size=(width, width))
    (top, _), (left, _) = beyond
    ink = ground[top : top + light.shape[0], left : left + light.shape[1]] - light
    above: Floats = np.maximum(ink - np.median(ink), 0)
    return above


def _find(ink: Floats) -> Box | None:
    """Return where the ink lies, or None when there is none."""
    step = ceil(max(ink.shape) / COARSE)
    coarse = _averaged(ink, step)
    noise = 1.4826 * float(np.median(abs(coarse - np.median(coarse))))
    if ink.max() < BLANK_BELOW or coarse.max() < 1 + BLANK_DEVIATIONS * noise:
        return None
    rough = _extent(coarse)
    top, left = max(0, rough.top - 1) * step, max(0, rough.left - 1) * step
    box = _extent(ink[top : (rough.bottom + 1) * step, left : (rough.right + 1) * step])
    return Box(top + box.top, top + box.bottom, left + box.left, left + box.right)


def _extent(ink: Floats) -> Box:
    """Apply the rule of `app.classifier.normalise`: which rows and columns are inked, of a map with some ink."""
    peak = ink.max()
    mass = ink * (ink > peak * INK_SHARE)
    rows = (mass.sum(axis=1) > peak * LINE_SHARE).nonzero()[0]
    columns = (mass.sum(axis=0) > peak * LINE_SHARE).nonzero()[0]
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def _fitted(ink: Floats, box: Box) -> npt.NDArray[np.uint8]:
    """Scale the box's longer side to 20 and put the ink's centre of mass into the middle."""
    # What lies farther than one pixel from the box is left out, noise with it.
    kept = np.zeros_like(ink)
    near = np.s_[max(0, box.top - 1) : box.bottom + 1, max(0, box.left - 1) : box.right + 1]
    kept[near] = ink[near]
    step = box.side / FITTED
    mass = kept * (kept > kept.max() * INK_SHARE)
    down = _weights(mass.sum(axis=1), box.top, box.bottom, step)
    across = _weights(mass.sum(axis=0), box.left, box.right, step)
    fitted = down @ kept @ across.T
    full = np.percentile(fitted[fitted > fitted.max() * INK_SHARE], FULL_INK)
    drawing: npt.NDArray[np.uint8] = np.rint(np.minimum(fitted * (255 / full), 255)).astype(np.uint8)
    return drawing


def _weights(mass: Floats, start: int, end: int, step: float) -> Floats:
    """Weights (28, N) that carry the lines of the ink, whose mass is given, onto those of the drawing.

    A line of the drawing is the mean of what it covers, which is at least one line of the ink.
    """
    middles = np.arange(len(mass), dtype=np.float32) + np.float32(0.5)
    centre = float(mass @ middles / mass.sum())
    # The centre of mass goes to the middle unless that would push ink over the edge.
    target = min(max((centre - start) / step, float(CENTRE)), SIDE - (end - centre) / step)
    at = (np.arange(SIDE) + 0.5 - target) * step + centre
    first, last = at[:, None] - max(step, 1) / 2, at[:, None] + max(step, 1) / 2
    weights = np.maximum(np.minimum(last, middles + 0.5) - np.maximum(first, middles - 0.5), 0)
    shares: Floats = (weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return shares
