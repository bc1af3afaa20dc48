"""Generate digits: turn the control points of a style into strokes, and strokes into pixels.

`draw` makes labelled 28 x 28 drawings like those of a browser's canvas, with any position, size and pen.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.styles import CORNER, HELD_OUT, STYLES, Stroke

SIDE = 28
POINTS = 160
"""Points per drawing; at 28 pixels their distance is well below the pen's width."""

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def draw(count: int, rng: np.random.Generator, *, held_out: bool = False) -> tuple[Images, npt.NDArray[np.int64]]:
    """Draw `count` digits: uint8 (N, 28, 28) with ink 255 on 0, and the labels int64 (N,).

    Digits are equally likely, and so are the styles of a digit. `held_out` selects the held-out styles; otherwise only
    the others are drawn.
    """
    points, labels = trace(count, rng, held_out=held_out)
    images = np.concatenate([_ink(points[i : i + 256], rng) for i in range(0, count, 256)])
    return images, labels


def trace(count: int, rng: np.random.Generator, *, held_out: bool = False) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the lines of `count` digits as points float32 (N, POINTS, 2), and the labels int64 (N,)."""
    styles = {
        digit: [style for name, style in by_name.items() if ((digit, name) in HELD_OUT) == held_out]
        for digit, by_name in STYLES.items()
    }
    labels = rng.integers(0, 10, count)
    points = np.empty((count, POINTS, 2), np.float32)
    for i, label in enumerate(labels):
        choice = styles[int(label)]
        points[i] = hand(choice[rng.integers(len(choice))](rng), rng)
    return points, labels


def shaken(points: Floats, rng: np.random.Generator) -> Floats:
    """Shake a fifth of the lines (N, P, 2), as a mouse or a finger does: small steps aside every few points."""
    count, length = points.shape[:2]
    knots = rng.normal(0, 1, (count, length // 8 + 2, 2)) * rng.uniform(0.004, 0.02, (count, 1, 1))
    at = np.arange(length) / 8
    low = at.astype(int)
    aside = knots[:, low] + (knots[:, low + 1] - knots[:, low]) * (at - low)[:, None]
    return np.where(rng.random((count, 1, 1)) < 0.2, points + aside, points).astype(np.float32)


def hand(strokes: Sequence[Stroke], rng: np.random.Generator, count: int = POINTS, tremble: float = 0.036) -> Floats:
    """Turn control points into points (count, 2) with random jitter, in a box whose longer side is 1."""
    shake = rng.uniform(tremble / 9, tremble)
    slip = rng.uniform(0, 0.022)
    curves = []
    for stroke in strokes:
        control = np.array([point[:2] for point in stroke], np.float64) + rng.normal(0, shake, (len(stroke), 2))
        corners = [len(point) == 3 and point[2] == CORNER for point in stroke]
        curves.append(_trim(_curve(control, corners), rng) + rng.normal(0, slip, 2))
    lengths = np.array([np.linalg.norm(np.diff(c, axis=0), axis=1).sum() + 1e-3 for c in curves])
    shares = np.maximum((lengths / lengths.sum() * count).astype(int), 2)
    shares[lengths.argmax()] += count - shares.sum()
    # A fast mouse is sampled rarely, and the canvas connects the samples with straight lines.
    corners_only = int(rng.integers(10, 24)) if rng.random() < 0.3 else 0
    points = np.concatenate([_sample(c, n, corners_only) for c, n in zip(curves, shares, strict=True)])
    return _pose(points, rng)


def _curve(control: npt.NDArray[np.float64], corners: Sequence[bool]) -> npt.NDArray[np.float64]:
    """Return a Catmull-Rom spline through the control points, with broken tangents at the corners."""
    padded = np.vstack([2 * control[0] - control[1], control, 2 * control[-1] - control[-2]])
    before, start, end, after = padded[:-3].copy(), padded[1:-2], padded[2:-1], padded[3:].copy()
    for i, corner in enumerate(corners):
        if corner and i < len(start):
            before[i] = 2 * start[i] - end[i]
        if corner and i > 0:
            after[i - 1] = 2 * end[i - 1] - start[i - 1]
    t = np.linspace(0, 1, 9)[:, None, None]
    curve = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    return curve.transpose(1, 0, 2).reshape(-1, 2)


def _trim(curve: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Cut off both ends of some strokes, which leaves gaps where strokes should meet."""
    if rng.random() > 0.25:
        return curve
    cut = rng.uniform(0, 0.07, 2) * len(curve)
    return curve[int(cut[0]) : len(curve) - int(cut[1])]


def _sample(curve: npt.NDArray[np.float64], count: int, corners_only: int) -> npt.NDArray[np.float64]:
    """Return points at equal distances along the curve, after reducing it to `corners_only` points if not 0."""
    if corners_only:
        curve = _along(curve, max(corners_only, 2))
    return _along(curve, count)


def _along(curve: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, way[-1], count)
    return np.stack([np.interp(at, way, curve[:, 0]), np.interp(at, way, curve[:, 1])], axis=1)


def _pose(points: npt.NDArray[np.float64], rng: np.random.Generator) -> Floats:
    """Slant, stretch and rotate the digit, then fit it to a box centred at the origin whose longer side is 1."""
    slant = rng.normal(0.08, 0.2)
    angle = rng.normal(0, np.radians(6))
    width = float(np.exp(np.clip(rng.normal(0, 0.18), -0.4, 0.36)))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[width, -slant], [0, 1]])
    posed = points @ matrix.T
    low, high = posed.min(axis=0), posed.max(axis=0)
    return ((posed - (low + high) / 2) / max((high - low).max(), 1e-3)).astype(np.float32)


def _ink(points: Floats, rng: np.random.Generator) -> Images:
    """Draw points (N, POINTS, 2) with a round pen: uint8 (N, 28, 28).

    A pixel's ink depends on the distance from its centre to the pen's edge, with an edge about one pixel wide.
    """
    count = len(points)
    size = rng.uniform(9, 25, (count, 1, 1)).astype(np.float32)
    # The pen's width as a share of the digit's height; a tenth of the pens are markers.
    share = np.where(rng.random((count, 1, 1)) < 0.9, rng.uniform(0.045, 0.19, (count, 1, 1)), 0.25)
    pen = np.maximum(size * share, 0.9).astype(np.float32)
    room = np.maximum(SIDE - size - pen, 0)
    centre = SIDE / 2 + (rng.random((count, 1, 2)) - 0.5) * room
    placed = (points * size + centre).astype(np.float32)
    pressure = 1 + rng.uniform(0, 0.3, (count, 1)) * np.sin(
        np.linspace(0, np.pi, POINTS) * rng.uniform(0.5, 3, (count, 1)) + rng.uniform(0, 6, (count, 1))
    )
    radius = (pen[:, :, 0] / 2 * pressure).astype(np.float32)
    pixel = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)
    dx = (placed[:, :, 0, None] - pixel) ** 2  # (N, POINTS, 28)
    dy = (placed[:, :, 1, None] - pixel) ** 2
    inside = np.full((count, SIDE, SIDE), -np.inf, np.float32)
    for p in range(POINTS):
        distance = np.sqrt(dy[:, p, :, None] + dx[:, p, None, :])
        np.maximum(inside, radius[:, p, None, None] - distance, out=inside)
    soft = rng.uniform(0.7, 1.6, (count, 1, 1)).astype(np.float32)
    return np.rint(255 * np.clip(inside / soft + 0.5, 0, 1)).astype(np.uint8)
