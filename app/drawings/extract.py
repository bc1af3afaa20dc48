"""Find a digit in a picture of any size, also on unevenly lit paper."""

from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.drawings.arrays import BLANK_BELOW, BOX, CENTRE, INK_SHARE, LINE_SHARE, Floats
from app.drawings.shape import SIDE
from app.drawings.surroundings import MARGIN, separate

Picture = npt.NDArray[np.uint8 | np.uint16]

# A picture is reduced to these limits, and cropped until the digit fills half of it.
REDUCED_PIXELS = 256 * 256
REDUCED_SIDE = 4096
MAX_CROPS = 4

# A frame on a sheet on a table.
MAX_LAYERS = 3

# Light is even if EVEN_SHARE of the border is within EVEN_WITHIN levels (of 255) of its median, or EVEN_SHARE of the
# picture is within EVEN_WITHIN of one of two levels that are BLACK_ON_WHITE apart. Shadows differ less.
EVEN_SHARE = 0.6
EVEN_WITHIN = 8
BLACK_ON_WHITE = 160

# As a share of the longer side; anything wider is a shadow.
WIDEST_STROKE = 1 / 5

# In pixels. Without smoothing, noise makes paper seem brighter.
SMOOTHING_SIDE = 5

# In pixels. Averaging to a coarse map reduces noise.
COARSE_SIDE = 48

# Fainter ink is blank paper: in standard deviations of the noise.
BLANK_DEVIATIONS = 12

# In pixels; averaging adds a faint rim.
FITTED_SIDE = BOX - 0.5

# The percentile that becomes 255; with the maximum, thin lines would be faint.
FULL_INK_PERCENTILE = 80


class Box(NamedTuple):
    """A rectangle in pixels; `bottom` and `right` are exclusive."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def side(self) -> int:
        return max(self.bottom - self.top, self.right - self.left)


def drawing_of(picture: Picture) -> npt.NDArray[np.uint8]:
    """Find the digit in uint8 or uint16 (height, width); return uint8 (28, 28), ink 255, zeros if blank.

    A picture of 28 x 28 is not scaled. Raise ImageError if the digit touches a frame.
    """
    inner = _without_surroundings(picture)
    if inner is picture and picture.shape == (SIDE, SIDE):
        light = _light(picture, 1)
        return np.rint(_on_even_ground(light, float(np.median(_border(light))))).astype(np.uint8)
    picture = inner
    for crop in range(1, MAX_CROPS + 1):
        step = _step(picture)
        ink = _ink(_light(picture, step))
        box = _find(ink)
        if box is None:
            break
        if step == 1 or 2 * box.side >= max(ink.shape) or crop == MAX_CROPS:
            return _fitted(ink, box)
        around = ceil(MARGIN * box.side)
        top, left = max(0, box.top - around), max(0, box.left - around)
        picture = picture[top * step : (box.bottom + around) * step, left * step : (box.right + around) * step]
    return np.zeros((SIDE, SIDE), np.uint8)


def _without_surroundings(picture: Picture) -> Picture:
    for _ in range(MAX_LAYERS):
        step = _step(picture)
        found = separate(_light(picture, step))
        if found is None:
            break
        rows, columns = (slice(side.start * step, side.stop * step) for side in found.area)
        part = picture[rows, columns]
        cover = found.cover[found.area].repeat(step, axis=0).repeat(step, axis=1)[: part.shape[0], : part.shape[1]]
        picture = np.where(cover, part.dtype.type(found.ground * (257 if part.dtype == np.uint16 else 1)), part)
    return picture


def _step(picture: Picture) -> int:
    pixels, longest = int(picture.size), int(max(picture.shape))
    return max(ceil(sqrt(pixels / REDUCED_PIXELS)), ceil(longest / REDUCED_SIDE))


def _light(picture: Picture, step: int) -> Floats:
    return _averaged(picture, step) / np.float32(257 if picture.dtype == np.uint16 else 1)


def _averaged(values: npt.NDArray[np.number], step: int) -> Floats:
    """Return means of `step` x `step` squares."""
    if step == 1:
        return values.astype(np.float32)
    total = np.float32 if values.dtype == np.float32 else np.uint32
    # Its row sums would take too much memory.
    is_strip = len(values) < step
    sums = values if is_strip else _row_sums(values, step, total)
    sums = np.add.reduceat(sums, np.arange(0, values.shape[1], step), axis=1, dtype=total)
    if is_strip:
        sums = _row_sums(sums, step, total)
    rows, columns = (np.minimum(step, length - np.arange(0, length, step)) for length in values.shape)
    means: Floats = (sums / np.outer(rows, columns)).astype(np.float32)
    return means


def _row_sums(values: npt.NDArray[np.number], step: int, total: type[np.number]) -> npt.NDArray[np.number]:
    """Return sums of `step` rows, faster than np.add.reduceat."""
    sums = np.zeros((ceil(len(values) / step), values.shape[1]), total)
    for first in range(step):
        rows = values[first::step]
        sums[: len(rows)] += rows
    return sums


def _ink(light: Floats) -> Floats:
    ground = _even_ground(light)
    return _on_uneven_ground(light) if ground is None else _on_even_ground(light, ground)


def _even_ground(light: Floats) -> float | None:
    """Return the paper's level, None if the light is uneven."""
    border = _border(light)
    level = float(np.median(border))
    if _share(border, level) >= EVEN_SHARE:
        return level
    # Ink may cover much of the border.
    counts = np.bincount(light.astype(np.intp).ravel(), minlength=256)
    one = int(counts.argmax())
    counts[max(0, one - EVEN_WITHIN) : one + EVEN_WITHIN + 1] = 0
    other = int(counts.argmax())
    if abs(one - other) < BLACK_ON_WHITE or _share(light, one) + _share(light, other) < EVEN_SHARE:
        return None
    return max(one, other, key=lambda level: _share(border, level))


def _share(light: Floats, level: float) -> float:
    return float(np.mean(abs(light - level) <= EVEN_WITHIN))


def _border(light: Floats) -> Floats:
    width = max(1, min(light.shape) // 20)
    inside = np.zeros(light.shape, bool)
    inside[width:-width, width:-width] = True
    return light[~inside]


def _on_even_ground(light: Floats, ground: float) -> Floats:
    dark, pale = np.maximum(ground - light, 0), np.maximum(light - ground, 0)
    ink: Floats = dark if dark.sum() > pale.sum() else pale
    return ink


def _on_uneven_ground(light: Floats) -> Floats:
    """Find ink with the bottom-hat transform (Serra 1982); skewness shows if it is dark or pale."""
    from scipy import ndimage  # Slow to load.

    width = max(3, round(max(light.shape) * WIDEST_STROKE))
    deviation = light - ndimage.uniform_filter(light, width)
    if (deviation**3).sum() > 0:
        light = 255 - light
    # So that the dark edge of a slope is not ink.
    beyond = [(min(width, length - 1),) * 2 for length in light.shape]
    wider = np.pad(ndimage.uniform_filter(light, SMOOTHING_SIDE), beyond, mode="reflect", reflect_type="odd")
    ground = ndimage.grey_closing(wider, size=(width, width))
    (top, _), (left, _) = beyond
    ink = ground[top : top + light.shape[0], left : left + light.shape[1]] - light
    above: Floats = np.maximum(ink - np.median(ink), 0)
    return above


def _find(ink: Floats) -> Box | None:
    step = ceil(max(ink.shape) / COARSE_SIDE)
    coarse = _averaged(ink, step)
    # More than half may be ink.
    faint = coarse[coarse <= (coarse.min() + coarse.max()) / 2]
    noise = 1.4826 * float(np.median(abs(faint - np.median(faint))))
    if ink.max() < BLANK_BELOW or coarse.max() < 1 + BLANK_DEVIATIONS * noise:
        return None
    rough = _extent(coarse)
    top, left = max(0, rough.top - 1) * step, max(0, rough.left - 1) * step
    box = _extent(ink[top : (rough.bottom + 1) * step, left : (rough.right + 1) * step])
    return Box(top + box.top, top + box.bottom, left + box.left, left + box.right)


def _extent(ink: Floats) -> Box:
    peak = ink.max()
    mass = ink * (ink > peak * INK_SHARE)
    rows = (mass.sum(axis=1) > peak * LINE_SHARE).nonzero()[0]
    columns = (mass.sum(axis=0) > peak * LINE_SHARE).nonzero()[0]
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def _fitted(ink: Floats, box: Box) -> npt.NDArray[np.uint8]:
    """Scale the box to FITTED_SIDE and centre the mass; return uint8 (28, 28)."""
    # Ink outside the box is noise.
    kept = np.zeros_like(ink)
    near = np.s_[max(0, box.top - 1) : box.bottom + 1, max(0, box.left - 1) : box.right + 1]
    kept[near] = ink[near]
    step = box.side / FITTED_SIDE
    mass = kept * (kept > kept.max() * INK_SHARE)
    down = _weights(mass.sum(axis=1), box.top, box.bottom, step)
    across = _weights(mass.sum(axis=0), box.left, box.right, step)
    fitted = down @ kept @ across.T
    full = np.percentile(fitted[fitted > fitted.max() * INK_SHARE], FULL_INK_PERCENTILE)
    drawing: npt.NDArray[np.uint8] = np.rint(np.minimum(fitted * (255 / full), 255)).astype(np.uint8)
    return drawing


def _weights(mass: Floats, start: int, end: int, step: float) -> Floats:
    """Return weights (28, N) from lines of ink to lines of the drawing."""
    middles = np.arange(len(mass), dtype=np.float32) + np.float32(0.5)
    centre = float(mass @ middles / mass.sum())
    # Centre the mass unless that would push ink over the edge.
    target = min(max((centre - start) / step, float(CENTRE)), SIDE - (end - centre) / step)
    at = (np.arange(SIDE) + 0.5 - target) * step + centre
    first, last = at[:, None] - max(step, 1) / 2, at[:, None] + max(step, 1) / 2
    weights = np.maximum(np.minimum(last, middles + 0.5) - np.maximum(first, middles - 0.5), 0)
    shares: Floats = (weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return shares
