"""Distance fields: drawings that can be drawn again with any pen.

Each pixel of a field holds the distance to the line or to the outline of a shape. Ink is where the distance is below
the pen's radius, so that one field gives thin, bold and soft drawings.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from skimage.morphology import skeletonize

SIDE = 48
BOX = 32
"""The longer side of the shape, in pixels of the field; the rest is margin for the pen."""
LEVELS = 16
"""Levels per pixel of distance."""
INSIDE = 96
"""The level of an outline: below it are the distances inside a filled shape."""
FINE = 3
"""Pixels of the drawing that a field is made from, per pixel of the field."""

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class Fields(NamedTuple):
    """Fields uint8 (N, SIDE, SIDE), and for each whether it holds distances to an outline instead of a line."""

    images: Images
    filled: npt.NDArray[np.bool_]


def from_points(points: Floats) -> Images:
    """Return the fields of lines through points (N, P, 2), in a box around the origin whose longer side is 1."""
    at = torch.arange(SIDE, dtype=torch.float32) + 0.5 - SIDE / 2
    pixels = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).reshape(1, -1, 2)
    parts = [
        torch.cdist(pixels.expand(len(part), -1, -1), part * BOX).amin(2) for part in torch.from_numpy(points).split(32)
    ]
    levels = (torch.cat(parts) * LEVELS).round().clamp(0, 255).to(torch.uint8)
    return levels.reshape(-1, SIDE, SIDE).numpy()


def line_field(ink: npt.NDArray[np.bool_]) -> Images:
    """Return the field of a shape's skeleton; the shape is in the middle of FINE * SIDE pixels each way."""
    return _levels(distance_transform_edt(~skeletonize(ink)), 0)


def outline_field(ink: npt.NDArray[np.bool_]) -> Images:
    """Return the field of a filled shape: distances to its outline, less than INSIDE within it."""
    return _levels(distance_transform_edt(~ink) - distance_transform_edt(ink), INSIDE)


def thickness(ink: npt.NDArray[np.bool_]) -> float:
    """Return the width of the thickest stroke, as a share of the box."""
    return float(2 * distance_transform_edt(ink).max() / (FINE * BOX))


def _levels(distance: npt.NDArray[np.float64], zero: int) -> Images:
    sampled = distance[FINE // 2 :: FINE, FINE // 2 :: FINE] / FINE
    return np.clip(np.rint(sampled * LEVELS + zero), 0, 255).astype(np.uint8)


def join(parts: list[Fields]) -> Fields:
    """Return all fields in one."""
    return Fields(np.concatenate([p.images for p in parts]), np.concatenate([p.filled for p in parts]))


def lines(images: Images) -> Fields:
    """Return fields of lines."""
    return Fields(images, np.zeros(len(images), bool))
