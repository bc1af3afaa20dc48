"""Separate a digit from what lies around its sheet: frames, bars, margins, a table."""

from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.drawings.arrays import Floats
from app.drawings.containers import ImageError

Mask = npt.NDArray[np.bool_]
Area = tuple[slice, slice]

# GROUND_SHARE of the pixels are within GROUND_WITHIN levels (of 255) of the ground; all else differs by more
# than CONTRAST.
GROUND_SHARE = 0.4
GROUND_WITHIN = 12
CONTRAST = 16

# Shares of a side of the picture: what covers a side, is a line, rounded corner, speck, frame, sheet.
FULL_SIDE = 0.9
THIN = 0.1
CORNER = 0.25
SPECK = 0.04
LEAST_FRAME = 0.5
LEAST_SHEET = 0.2

# Shares of a part's bounding box: what covers a side of a frame, is hollow, is solid.
STRAIGHT = 0.8
HOLLOW = 0.5
SOLID = 0.85

# A sheet has this share of ink, or sides of at least this ratio; otherwise it is a stroke.
LEAST_INK = 0.005
NARROW = 0.5

# As a share of the digit's side; sheets have wider places.
BOLDEST_STROKE = 1 / 3

# In pixels: the blurred edge of a frame or sheet.
EDGE = 2

# Near a gradual change, such as a shadow's edge, the contrast is a smaller share of the whole.
SHARP = 0.6

# Kept around the digit, as a share of its side.
MARGIN = 0.4


class Separated(NamedTuple):
    """The digit's area, and what to cover with the ground's level."""

    area: Area
    cover: Mask
    ground: float


class _Part(NamedTuple):
    """Connected pixels that differ from the ground."""

    area: Area
    mask: Mask
    shape: tuple[int, int]
    """Of the whole picture."""

    def sides(self) -> list[float]:
        """Return the part's share of each side of the picture."""
        (top, bottom), (left, right) = ((line.start == 0, line.stop) for line in self.area)
        height, width = self.shape
        return [
            top * self.mask[0].sum() / width,
            (bottom == height) * self.mask[-1].sum() / width,
            left * self.mask[:, 0].sum() / height,
            (right == width) * self.mask[:, -1].sum() / height,
        ]

    def is_line(self) -> bool:
        (height, width), (full_height, full_width) = self.mask.shape, self.shape
        across = width == full_width and height <= THIN * full_height
        return bool(across or (height == full_height and width <= THIN * full_width))

    def is_corner(self) -> bool:
        edges = [any((line.start == 0, line.stop == full)) for line, full in zip(self.area, self.shape, strict=True)]
        return all(edges) and all(np.array(self.mask.shape) <= CORNER * np.array(self.shape))

    def is_frame(self) -> bool:
        own = min(line.mean() for line in (self.mask[0], self.mask[-1], self.mask[:, 0], self.mask[:, -1]))
        large = all(np.array(self.mask.shape) >= LEAST_FRAME * np.array(self.shape))
        return bool(large and own >= STRAIGHT and self.mask.mean() <= HOLLOW)

    def is_around(self) -> bool:
        return max(self.sides()) >= FULL_SIDE or self.is_line() or self.is_corner() or self.is_frame()


def separate(light: Floats) -> Separated | None:
    """Return where the digit is, or None if nothing surrounds it; raise ImageError if inseparable."""
    from scipy import ndimage  # Slow to load.

    ground = _ground(light)
    if ground is None:
        return None
    difference = abs(light - ground)
    labels, _ = ndimage.label(difference > CONTRAST, np.ones((3, 3)))
    areas: list[Any] = ndimage.find_objects(labels)
    parts = [
        _Part(area, labels[area] == number, light.shape)
        for number, area in enumerate(areas, 1)
        if _counts(area, light.shape)
    ]
    around = [part for part in parts if part.is_around()]
    rest = [part for part in parts if not part.is_around()]
    if not around:
        return _sheet(rest, light, ground)
    outside = np.zeros(light.shape, bool)
    for part in around:
        outside[part.area] |= part.mask
    rim = outside & ~ndimage.binary_erosion(outside, iterations=EDGE + 1, border_value=1)
    is_gradual = np.median(difference[rim]) < SHARP * np.median(difference[outside])
    if is_gradual or _may_be_a_digit(around) or _is_bold_ink(outside, rest):
        return None
    if not rest and not all(part.is_corner() for part in around):
        sheet = _sheet(around, light, ground)
        if sheet is None:
            raise ImageError(
                "No digit stands apart from what is around it; crop the image to the digit and some space."
            )
        return sheet
    cover = ndimage.binary_dilation(outside, iterations=EDGE)
    return Separated(_around(rest, light.shape), cover, ground)


def _counts(area: Area, shape: tuple[int, int]) -> bool:
    """Return whether a part is no speck, or is in a corner."""
    longest = max(line.stop - line.start for line in area)
    return longest >= SPECK * max(shape) or all(
        line.start == 0 or line.stop == full for line, full in zip(area, shape, strict=True)
    )


def _ground(light: Floats) -> float | None:
    """Return the commonest level, None if there is no even ground."""
    counts = np.bincount(light.astype(np.intp).ravel(), minlength=256)
    near = np.convolve(counts, np.ones(2 * GROUND_WITHIN + 1), "same")
    first = max(0, int(near.argmax()) - GROUND_WITHIN)
    level = first + int(counts[first : first + 2 * GROUND_WITHIN + 1].argmax())
    return float(level) if near[level] >= GROUND_SHARE * light.size else None


def _may_be_a_digit(around: list[_Part]) -> bool:
    """Return whether it is a stroke along one edge, as of a 7."""
    one = around[0]
    is_stroke = np.greater_equal(one.sides(), FULL_SIDE).sum() == 1 and one.mask.mean() < SOLID
    return len(around) == 1 and bool(is_stroke) and not one.is_line()


def _is_bold_ink(outside: Mask, rest: list[_Part]) -> bool:
    """Return whether the inside is a digit and no sheet."""
    from scipy import ndimage

    inside = ~outside
    (area,) = ndimage.find_objects(inside.astype(np.int8))
    if inside[area].mean() >= SOLID:
        return False
    for part in rest:
        inside[part.area] &= ~part.mask
    widest = 2 * ndimage.distance_transform_edt(np.pad(inside[area], 1)).max()
    return bool(widest <= BOLDEST_STROKE * max(inside[area].shape))


def _around(parts: list[_Part], shape: tuple[int, int]) -> Area:
    if not parts:
        return np.s_[0 : shape[0], 0 : shape[1]]
    rows, columns = ([part.area[axis] for part in parts] for axis in (0, 1))
    (top, bottom), (left, right) = ((min(s.start for s in line), max(s.stop for s in line)) for line in (rows, columns))
    margin = ceil(MARGIN * max(bottom - top, right - left))
    return np.s_[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]


def _sheet(parts: list[_Part], light: Floats, ground: float) -> Separated | None:
    """Return the area of a rectangular sheet, None without one."""
    for part in parts:
        large = min(part.mask.shape) >= max(LEAST_SHEET * min(part.shape), 3 * EDGE)
        if large and part.mask.mean() >= SOLID:
            rows, columns = (slice(side.start + EDGE, side.stop - EDGE) for side in part.area)
            paper = _ground(light[rows, columns])
            if paper is None:
                continue
            ink = (abs(light[rows, columns] - paper) > 2 * CONTRAST).mean()
            if ink >= LEAST_INK or min(part.mask.shape) >= NARROW * max(part.mask.shape):
                return Separated((rows, columns), np.zeros(light.shape, bool), ground)
    return None
