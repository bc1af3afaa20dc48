"""Things that are not digits, drawn with lines: everyday shapes and scribbles.

Shapes are described like the digits in `training.styles`: strokes of control points in a box about 1 by 1, y downwards.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from training import fields
from training.strokes import hand
from training.styles import CORNER, Stroke, Style, arc

POINTS = 320
"""Points per drawing; these have longer lines than digits."""

SHAPES: dict[str, Style] = {}
"""All shapes by name."""
KEPT_SHAPES: set[str] = set()
"""The shapes that are only measured with."""


def _shape(*, kept: bool = False) -> Callable[[Style], Style]:
    def register(style: Style) -> Style:
        SHAPES[style.__name__] = style
        if kept:
            KEPT_SHAPES.add(style.__name__)
        return style

    return register


def _straight(*points: tuple[float, float]) -> Stroke:
    """Return a line with corners."""
    return [(x, y, CORNER) for x, y in points]


def _polygon(r: np.random.Generator, corners: int, inner: float = 1.0) -> Stroke:
    turn = -90 + r.uniform(-8, 8)
    points = []
    for i in range(corners + 1):
        angle = np.radians(turn + 360 * i / corners)
        radius = 0.5 * (inner if i % 2 else 1)
        points.append((0.5 + radius * float(np.cos(angle)), 0.5 + radius * float(np.sin(angle))))
    return _straight(*points)


@_shape()
def triangle(r: np.random.Generator) -> list[Stroke]:
    tip = (r.uniform(0.2, 0.8), 0.0)
    return [_straight(tip, (1, r.uniform(0.7, 1)), (0, r.uniform(0.7, 1)), tip)]


@_shape()
def square(r: np.random.Generator) -> list[Stroke]:
    h = r.uniform(0.6, 1.2)
    return [_straight((0, 0), (1, 0), (1, h), (0, h), (0, 0))]


@_shape()
def cross(r: np.random.Generator) -> list[Stroke]:
    return [[(0, 0), (1, r.uniform(0.8, 1.2))], [(r.uniform(0.8, 1.1), 0), (0, 1)]]


@_shape()
def plus(r: np.random.Generator) -> list[Stroke]:
    x, y = r.uniform(0.35, 0.65), r.uniform(0.35, 0.65)
    return [[(x, 0), (x, 1)], [(0, y), (1, y)]]


@_shape()
def grid(r: np.random.Generator) -> list[Stroke]:
    a, b = r.uniform(0.2, 0.4), r.uniform(0.6, 0.8)
    return [[(a, 0), (a, 1)], [(b, 0), (b, 1)], [(0, a), (1, a)], [(0, b), (1, b)]]


@_shape()
def equals(r: np.random.Generator) -> list[Stroke]:
    gap = r.uniform(0.25, 0.6)
    return [[(0, 0), (1, 0)], [(0, gap), (1, gap)]]


@_shape()
def tick(r: np.random.Generator) -> list[Stroke]:
    return [_straight((0, r.uniform(0.4, 0.7)), (r.uniform(0.25, 0.4), 1), (1, 0))]


@_shape()
def zigzag(r: np.random.Generator) -> list[Stroke]:
    n, height = int(r.integers(4, 9)), r.uniform(0.2, 0.8)
    return [_straight(*((i / n, height * (i % 2)) for i in range(n + 1)))]


@_shape()
def wave(r: np.random.Generator) -> list[Stroke]:
    n, height = int(r.integers(4, 9)), r.uniform(0.1, 0.5)
    return [[(i / n, height * (i % 2)) for i in range(n + 1)]]


@_shape()
def spiral(r: np.random.Generator) -> list[Stroke]:
    turns = r.uniform(2, 4)
    angles = np.linspace(0, 2 * np.pi * turns, round(turns * 10)) * r.choice([-1, 1]) + r.uniform(0, 6)
    radii = np.linspace(0.03, 0.5, len(angles))
    return [[(float(d * np.cos(a)), float(d * np.sin(a))) for a, d in zip(angles, radii, strict=True)]]


@_shape()
def house(r: np.random.Generator) -> list[Stroke]:
    eaves = r.uniform(0.3, 0.5)
    walls = _straight((0, eaves), (0, 1), (1, 1), (1, eaves))
    roof = _straight((-0.08, eaves + 0.03), (0.5, 0), (1.08, eaves + 0.03))
    door = _straight((0.4, 1), (0.4, 0.65), (0.62, 0.65), (0.62, 1))
    ceiling: Stroke = [(0, eaves), (1, eaves)]
    return [walls, roof, *([door] if r.random() < 0.6 else []), *([ceiling] if r.random() < 0.6 else [])]


@_shape()
def face(r: np.random.Generator) -> list[Stroke]:
    eye, size = r.uniform(0.12, 0.22), r.uniform(0.01, 0.08)
    mouth: Stroke = [(0.28, 0.62), (0.5, r.uniform(0.5, 0.85)), (0.72, 0.62)]
    eyes = [arc(0.5 + side * eye, r.uniform(0.3, 0.4), size, size * r.uniform(0.8, 2), 0, 360) for side in (-1, 1)]
    nose: list[Stroke] = [[(0.5, 0.42), (0.5, 0.54)]] if r.random() < 0.3 else []
    return [arc(0.5, 0.5, 0.5, 0.5, r.uniform(0, 360), 360), *eyes, mouth, *nose]


@_shape()
def eyes_and_mouth(r: np.random.Generator) -> list[Stroke]:
    return face(r)[1:]


@_shape()
def sun(r: np.random.Generator) -> list[Stroke]:
    n, inner = int(r.integers(6, 12)), r.uniform(0.2, 0.32)
    rays: list[Stroke] = []
    for angle in np.linspace(0, 2 * np.pi, n, endpoint=False):
        x, y = float(np.cos(angle)), float(np.sin(angle))
        rays.append([(x * (inner + 0.06), y * (inner + 0.06)), (x * 0.5, y * 0.5)])
    return [arc(0, 0, inner, inner, 0, 360), *rays]


@_shape()
def heart(r: np.random.Generator) -> list[Stroke]:
    dip = r.uniform(0.15, 0.3)
    half: Stroke = [(0.5, dip, CORNER), (0.75, 0), (1, 0.25), (0.8, 0.65), (0.5, 1, CORNER)]
    other: Stroke = [(1 - p[0], *p[1:]) for p in reversed(half[:-1])]  # type: ignore[misc]
    return [[*half, *other]]


@_shape()
def tree(r: np.random.Generator) -> list[Stroke]:
    low = r.uniform(0.6, 0.8)
    crown = _straight((0.5, 0), (0.9, low), (0.1, low), (0.5, 0))
    return [crown if r.random() < 0.5 else arc(0.5, low / 2, 0.4, low / 2, 90, 360), [(0.5, low), (0.5, 1.1)]]


@_shape()
def person(r: np.random.Generator) -> list[Stroke]:
    arms = r.uniform(0.3, 0.5)
    body: Stroke = [(0.3, 0.24), (0.3, 0.65)]
    return [
        arc(0.3, 0.12, 0.12, 0.12, 0, 360),
        body,
        [(0, arms), (0.3, 0.36), (0.6, arms)],
        _straight((0.05, 1), (0.3, 0.65), (0.55, 1)),
    ]


@_shape()
def flower(r: np.random.Generator) -> list[Stroke]:
    n = int(r.integers(5, 8))
    petals = [
        arc(0.3 * float(np.cos(a)), 0.3 * float(np.sin(a)), 0.17, 0.17, 0, 360) for a in np.linspace(0, 6.28, n)[:-1]
    ]
    return [*petals, arc(0, 0, 0.12, 0.12, 0, 360), [(0, 0.45), (r.uniform(-0.1, 0.1), 1.2)]]


@_shape()
def car(r: np.random.Generator) -> list[Stroke]:
    body = _straight(
        (0, 0.5), (0, 0.3), (0.25, 0.28), (0.38, 0), (0.75, 0), (0.85, 0.28), (1.1, 0.32), (1.1, 0.5), (0, 0.5)
    )
    return [body, arc(0.27, 0.5, 0.11, 0.11, 0, 360), arc(0.83, 0.5, 0.11, 0.11, 0, 360)]


@_shape()
def cloud(r: np.random.Generator) -> list[Stroke]:
    return [
        [
            (0.1, 0.5),
            (0, 0.35, CORNER),
            (0.15, 0.15),
            (0.3, 0.2, CORNER),
            (0.5, 0),
            (0.7, 0.18, CORNER),
            (0.95, 0.15),
            (0.9, 0.4, CORNER),
            (0.95, 0.5),
            (0.1, 0.5),
        ]
    ]


@_shape()
def bolt(r: np.random.Generator) -> list[Stroke]:
    return [_straight((0.5, 0), (0.1, 0.55), (0.4, 0.5), (0.2, 1), (0.75, 0.38), (0.42, 0.42), (0.5, 0))]


@_shape()
def ring_in_ring(r: np.random.Generator) -> list[Stroke]:
    inner = r.uniform(0.15, 0.35)
    return [arc(0.5, 0.5, 0.5, 0.5, 0, 360), arc(0.5, 0.5, inner, inner, 0, 360)]


@_shape(kept=True)
def star(r: np.random.Generator) -> list[Stroke]:
    if r.random() < 0.5:
        return [_polygon(r, 10, inner=r.uniform(0.35, 0.5))]
    points = [(0.5 + 0.5 * float(np.sin(a)), 0.5 - 0.5 * float(np.cos(a))) for a in np.arange(6) * 4 * np.pi / 5]
    return [_straight(*points)]


@_shape(kept=True)
def fish(r: np.random.Generator) -> list[Stroke]:
    h = r.uniform(0.2, 0.32)
    body: Stroke = [(1, -h), (0.6, h), (0.3, h), (0, 0), (0.3, -h), (0.6, -h), (1, h)]
    return [[*body, (1, -h)], arc(0.2, -0.05, 0.02, 0.02, 0, 360)]


@_shape(kept=True)
def cup(r: np.random.Generator) -> list[Stroke]:
    return [
        _straight((0, 0), (r.uniform(0.02, 0.15), 0.8), (0.6, 0.8), (0.7, 0), (0, 0)),
        arc(0.68, 0.38, 0.2, 0.2, -80, 170),
    ]


@_shape(kept=True)
def arrow(r: np.random.Generator) -> list[Stroke]:
    head = r.uniform(0.15, 0.3)
    return [[(0, 0), (1, r.uniform(-0.1, 0.1))], _straight((1 - head, -head), (1, 0), (1 - head, head))]


@_shape(kept=True)
def envelope(r: np.random.Generator) -> list[Stroke]:
    h = r.uniform(0.55, 0.75)
    return [_straight((0, 0), (1, 0), (1, h), (0, h), (0, 0), (0.5, h * r.uniform(0.4, 0.65)), (1, 0))]


@_shape(kept=True)
def cat(r: np.random.Generator) -> list[Stroke]:
    whiskers: list[Stroke] = [[(0.62, y), (0.95, y + d)] for y, d in ((0.6, -0.05), (0.68, 0.05))]
    whiskers += [[(0.38, y), (0.05, y + d)] for y, d in ((0.6, -0.05), (0.68, 0.05))]
    ears = [_straight((0.12, 0.35), (0.1, 0), (0.35, 0.15)), _straight((0.65, 0.15), (0.9, 0), (0.88, 0.35))]
    return [
        arc(0.5, 0.55, 0.45, r.uniform(0.38, 0.45), 0, 360),
        *ears,
        *whiskers,
        *(arc(x, 0.45, 0.03, 0.05, 0, 360) for x in (0.35, 0.65)),
    ]


def scribble(r: np.random.Generator) -> list[Stroke]:
    """Return one to four strokes that turn at random."""
    strokes: list[Stroke] = []
    wild = r.uniform(0.5, 1.7)
    for _ in range(int(r.choice([1, 2, 3, 4], p=[0.4, 0.3, 0.2, 0.1]))):
        points = int(r.integers(3, 6)) if len(strokes) else int(r.integers(9, 24))
        x, y, heading, curl = *r.uniform(0, 1, 2), r.uniform(0, 6.28), r.normal(0, 0.8)
        stroke: Stroke = []
        for _ in range(points):
            stroke.append((float(x), float(y)))
            heading += curl + r.normal(0, wild)
            step = r.uniform(0.1, 0.4)
            # Walls at the border keep the scribble compact.
            x, y = np.clip(x + step * np.cos(heading), 0, 1), np.clip(y + step * np.sin(heading), 0, 1)
        strokes.append(stroke)
    return strokes


def draw(styles: list[Style], count: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return fields of `count` drawings, each in one of the styles."""
    points = [hand(styles[int(rng.integers(len(styles)))](rng), rng, POINTS) for _ in range(count)]
    return fields.from_points(np.stack(points))
