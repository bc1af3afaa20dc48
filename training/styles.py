"""Handwriting styles of the ten digits: control points with random proportions.

A style is a function of a random generator. It returns strokes; a stroke is a list of control points (x, y) in a box
about 0.6 wide and 1 high, y downwards. `training.strokes` draws a smooth curve through them. A point with a third
element CORNER breaks the curve's tangent.

The first stroke separates a 1 from a 7: the flag of a 1 slopes by more than 28 degrees, the bar of a 7 by at most 14
degrees, or by 24 if the stem is crossed. Nothing is drawn in between, because people disagree on these drawings.
"""

from collections.abc import Callable

import numpy as np

CORNER = "corner"
Point = tuple[float, float] | tuple[float, float, str]
Stroke = list[Point]
Style = Callable[[np.random.Generator], list[Stroke]]

STYLES: dict[int, dict[str, Style]] = {digit: {} for digit in range(10)}
"""All styles by digit and name."""

HELD_OUT: set[tuple[int, str]] = set()
"""The styles that are not used for training; the model card reports the accuracy on them."""


def _style(digit: int, *, held_out: bool = False) -> Callable[[Style], Style]:
    def register(style: Style) -> Style:
        name = style.__name__.split("_", 1)[1]
        STYLES[digit][name] = style
        if held_out:
            HELD_OUT.add((digit, name))
        return style

    return register


def arc(x: float, y: float, rx: float, ry: float, start: float, sweep: float) -> Stroke:
    """Return points on an ellipse; angles in degrees, clockwise, 0 is to the right."""
    count = max(3, round(abs(sweep) / 40) + 1)
    angles = np.radians(np.linspace(start, start + sweep, count))
    return [(float(x + rx * np.cos(a)), float(y + ry * np.sin(a))) for a in angles]


@_style(0)
def zero_oval(r: np.random.Generator) -> list[Stroke]:
    start = r.uniform(-130, -20)
    return [arc(0.33, 0.5, r.uniform(0.2, 0.42), 0.5, start, -r.uniform(325, 390))]


@_style(0)
def zero_clockwise(r: np.random.Generator) -> list[Stroke]:
    return [arc(0.33, 0.5, r.uniform(0.2, 0.42), 0.5, r.uniform(-180, 0), r.uniform(330, 390))]


@_style(0)
def zero_slashed(r: np.random.Generator) -> list[Stroke]:
    width = r.uniform(0.24, 0.4)
    out = r.uniform(0.7, 1.15)
    slash: Stroke = [(0.33 + width * out * 0.8, 0.5 - 0.4 * out), (0.33 - width * out * 0.8, 0.5 + 0.4 * out)]
    return [arc(0.33, 0.5, width, 0.5, r.uniform(-130, -40), -r.uniform(345, 375)), slash]


@_style(0)
def zero_open(r: np.random.Generator) -> list[Stroke]:
    return [arc(0.33, 0.5, r.uniform(0.24, 0.4), 0.5, r.uniform(-100, -50), -r.uniform(290, 330))]


@_style(0)
def zero_overshot(r: np.random.Generator) -> list[Stroke]:
    width, side = r.uniform(0.24, 0.4), r.choice([-1, 1])
    loop = arc(0.33, 0.5, width, 0.5, -90, side * r.uniform(350, 375))
    end: Stroke = [(0.33 + side * width * r.uniform(0.2, 0.9), r.uniform(-0.12, 0.3))]
    return [[*loop, *end]]


@_style(0, held_out=True)
def zero_curled(r: np.random.Generator) -> list[Stroke]:
    loop = arc(0.33, 0.52, r.uniform(0.24, 0.38), 0.48, -70, -r.uniform(350, 370))
    return [[*loop, (0.5, r.uniform(0.0, 0.12)), (r.uniform(0.6, 0.75), r.uniform(-0.05, 0.08))]]


def _flag(r: np.random.Generator, short: float, long: float, lean: float) -> Point:
    """Return the free end of a 1's flag with its tip at (lean, 0); a shallow flag is short, or it would be a 7."""
    angle = r.uniform(28, 72)
    length = r.uniform(short, long) if angle > 38 else r.uniform(min(short, 0.15), min(long, 0.32))
    return (lean - length * float(np.cos(np.radians(angle))), length * float(np.sin(np.radians(angle))))


@_style(1)
def one_bar(r: np.random.Generator) -> list[Stroke]:
    return [[(r.uniform(-0.05, 0.05), 0), (r.uniform(-0.03, 0.03), 0.5), (r.uniform(-0.05, 0.05), 1)]]


@_style(1)
def one_flag(r: np.random.Generator) -> list[Stroke]:
    return [[_flag(r, 0.14, 0.5, 0.3), (0.3, 0, CORNER), (0.3 + r.uniform(-0.06, 0.04), 1)]]


@_style(1)
def one_long_flag(r: np.random.Generator) -> list[Stroke]:
    angle, length = np.radians(r.uniform(42, 72)), r.uniform(0.45, 0.95)
    tip: Point = (0.4 - length * float(np.cos(angle)), min(length * float(np.sin(angle)), 0.85))
    return [[tip, (0.4, 0, CORNER), (0.4 + r.uniform(-0.06, 0.06), 1)]]


@_style(1)
def one_two_strokes(r: np.random.Generator) -> list[Stroke]:
    flag: Stroke = [(0.3, r.uniform(-0.02, 0.05)), _flag(r, 0.2, 0.6, 0.3)]
    return [[(0.3, 0), (0.3 + r.uniform(-0.05, 0.05), 1)], flag]


@_style(1)
def one_flag_and_foot(r: np.random.Generator) -> list[Stroke]:
    foot: Stroke = [(0.3 - r.uniform(0.12, 0.35), 1), (0.3 + r.uniform(0.12, 0.35), 1 + r.uniform(-0.03, 0.03))]
    return [[_flag(r, 0.12, 0.6, 0.3), (0.3, 0, CORNER), (0.3, 1)], foot]


@_style(1)
def one_foot(r: np.random.Generator) -> list[Stroke]:
    return [[(0.3, 0), (0.3, 1)], [(0.3 - r.uniform(0.1, 0.3), 1), (0.3 + r.uniform(0.1, 0.3), 1)]]


@_style(1)
def one_curved_flag(r: np.random.Generator) -> list[Stroke]:
    x, y = _flag(r, 0.25, 0.7, 0.35)[:2]
    sag = r.uniform(-0.05, 0.1)
    return [[(x, y), ((x + 0.35) / 2 + sag * 0.5, y / 2 + sag), (0.35, 0, CORNER), (0.33, 0.5), (0.3, 1)]]


@_style(1)
def one_wide_flag(r: np.random.Generator) -> list[Stroke]:
    angle, length = np.radians(r.uniform(30, 48)), r.uniform(0.3, 0.62)
    tip: Point = (0.4 - length * float(np.cos(angle)), length * float(np.sin(angle)))
    return [[tip, (0.4, 0, CORNER), (0.4 + r.uniform(-0.08, 0.04), 1)]]


@_style(1)
def one_sagging_flag(r: np.random.Generator) -> list[Stroke]:
    x, y = _flag(r, 0.4, 0.95, 0.4)[:2]
    sag, foot = r.uniform(-0.04, 0.12), 0.4 - r.uniform(-0.04, 0.22)
    return [[(x, min(y, 0.85)), ((x + 0.4) / 2, min(y, 0.85) / 2 + sag), (0.4, 0, CORNER), (foot, 1)]]


@_style(1)
def one_long_flag_and_foot(r: np.random.Generator) -> list[Stroke]:
    angle, length = np.radians(r.uniform(34, 66)), r.uniform(0.35, 0.85)
    tip: Point = (0.4 - length * float(np.cos(angle)), length * float(np.sin(angle)))
    foot = 0.4 - r.uniform(-0.04, 0.16)
    base: Stroke = [(foot - r.uniform(0.15, 0.4), 1), (foot + r.uniform(0.15, 0.4), 1 + r.uniform(-0.04, 0.04))]
    return [[tip, (0.4, 0, CORNER), (foot, 1)], base]


@_style(1, held_out=True)
def one_swung(r: np.random.Generator) -> list[Stroke]:
    x, y = _flag(r, 0.3, 0.75, 0.4)[:2]
    return [[(x, y), ((x + 0.4) / 2, y / 2 + 0.1), (0.4, 0, CORNER), (0.38, 0.6), (0.36, 0.93), (0.5, 1)]]


def _head_of_two(r: np.random.Generator) -> Stroke:
    high = r.uniform(0.18, 0.32)
    return [(r.uniform(-0.02, 0.1), high), (0.12, 0.06), (0.32, 0), (0.54, 0.1), (0.58, r.uniform(0.22, 0.34))]


@_style(2)
def two_round(r: np.random.Generator) -> list[Stroke]:
    foot = r.uniform(-0.05, 0.05)
    return [[*_head_of_two(r), (0.38, 0.65), (r.uniform(-0.02, 0.06), 1, CORNER), (r.uniform(0.5, 0.72), 1 + foot)]]


@_style(2)
def two_looped(r: np.random.Generator) -> list[Stroke]:
    size = r.uniform(0.5, 1.3)
    loop: Stroke = [(0.12, 0.98), (0.02, 0.98 - 0.06 * size), (0.06, 0.95 - 0.16 * size), (0.2, 0.95 - 0.1 * size)]
    return [[*_head_of_two(r), (0.4, 0.6), *loop, (0.42, 0.99), (r.uniform(0.6, 0.78), r.uniform(0.88, 1.0))]]


@_style(2)
def two_angular(r: np.random.Generator) -> list[Stroke]:
    top = r.uniform(-0.02, 0.14)
    return [[(0, top), (r.uniform(0.46, 0.6), 0, CORNER), (0, 1, CORNER), (r.uniform(0.5, 0.7), 1)]]


@_style(2)
def two_wave(r: np.random.Generator) -> list[Stroke]:
    return [
        [*_head_of_two(r), (0.3, 0.72), (0.02, 0.97, CORNER), (0.2, r.uniform(0.84, 0.93)), (0.45, 0.98), (0.68, 0.9)]
    ]


@_style(2, held_out=True)
def two_swan(r: np.random.Generator) -> list[Stroke]:
    curl: Stroke = [(0.2, 0.3), (0.06, 0.26), (0.1, 0.07)]
    return [
        [
            *curl,
            (0.34, 0),
            (0.55, 0.12),
            (0.5, 0.42),
            (0.25, 0.75),
            (0, 0.99, CORNER),
            (0.3, r.uniform(0.9, 1)),
            (0.7, 1),
        ]
    ]


def _belly_of_three(r: np.random.Generator) -> Stroke:
    return [
        (0.5, 0.55),
        (r.uniform(0.54, 0.64), 0.74),
        (0.45, 0.95),
        (0.24, 1),
        (r.uniform(-0.04, 0.08), r.uniform(0.84, 0.95)),
    ]


@_style(3)
def three_round(r: np.random.Generator) -> list[Stroke]:
    waist = r.uniform(0.15, 0.36)
    head: Stroke = [(r.uniform(-0.02, 0.1), r.uniform(0.06, 0.2)), (0.26, 0), (0.5, 0.12), (0.46, 0.34)]
    return [[*head, (waist, 0.46, CORNER), *_belly_of_three(r)]]


@_style(3)
def three_smooth(r: np.random.Generator) -> list[Stroke]:
    head: Stroke = [(r.uniform(0, 0.1), r.uniform(0.04, 0.16)), (0.3, 0), (0.52, 0.14), (0.47, 0.33)]
    return [[*head, (r.uniform(0.3, 0.42), 0.44), *_belly_of_three(r)]]


@_style(3)
def three_flat(r: np.random.Generator) -> list[Stroke]:
    top = r.uniform(-0.03, 0.06)
    return [[(0, top), (r.uniform(0.45, 0.6), 0, CORNER), (r.uniform(0.18, 0.3), 0.42, CORNER), *_belly_of_three(r)]]


@_style(3, held_out=True)
def three_looped(r: np.random.Generator) -> list[Stroke]:
    head: Stroke = [(0.04, 0.14), (0.28, 0), (0.52, 0.14), (0.42, 0.38)]
    size = r.uniform(0.04, 0.09)
    return [[*head, (0.26, 0.46), (0.26 - size, 0.46 - size), (0.28, 0.4), *_belly_of_three(r)]]


@_style(4)
def four_open(r: np.random.Generator) -> list[Stroke]:
    cross = r.uniform(0.48, 0.8)
    stem_x = r.uniform(0.38, 0.55)
    elbow: Stroke = [(r.uniform(0.02, 0.25), r.uniform(0, 0.15)), (0, cross, CORNER), (r.uniform(0.56, 0.75), cross)]
    return [elbow, [(stem_x, r.uniform(0.0, 0.42)), (stem_x - r.uniform(-0.03, 0.08), 1)]]


@_style(4)
def four_closed(r: np.random.Generator) -> list[Stroke]:
    cross, stem_x = r.uniform(0.55, 0.82), r.uniform(0.4, 0.52)
    return [
        [(stem_x, 0), (0, cross, CORNER), (r.uniform(0.56, 0.75), cross)],
        [(stem_x, r.uniform(-0.02, 0.05)), (stem_x - r.uniform(-0.03, 0.06), 1)],
    ]


@_style(4)
def four_one_stroke(r: np.random.Generator) -> list[Stroke]:
    cross = r.uniform(0.5, 0.66)
    return [[(0.48, 1), (0.5, 0.5), (0.5, 0, CORNER), (0, cross, CORNER), (r.uniform(0.55, 0.75), cross)]]


@_style(4)
def four_cup(r: np.random.Generator) -> list[Stroke]:
    low = r.uniform(0.42, 0.6)
    cup: Stroke = [(r.uniform(0, 0.06), r.uniform(0, 0.1)), (0.02, low * 0.7), (0.16, low), (0.5, low - 0.05)]
    return [cup, [(r.uniform(0.48, 0.56), r.uniform(0, 0.1)), (0.5, 0.5), (r.uniform(0.42, 0.5), 1)]]


@_style(4)
def four_returning(r: np.random.Generator) -> list[Stroke]:
    low = r.uniform(0.42, 0.58)
    return [[(0.06, 0), (0.02, low, CORNER), (0.42, low - 0.03), (0.52, r.uniform(0, 0.12), CORNER), (0.48, 1)]]


@_style(4)
def four_lightning(r: np.random.Generator) -> list[Stroke]:
    cross = r.uniform(0.58, 0.75)
    stem_x = r.uniform(0.3, 0.45)
    tick: Stroke = [(stem_x, cross - r.uniform(0.15, 0.32)), (stem_x - 0.02, cross + r.uniform(0.2, 0.35))]
    return [[(r.uniform(0.28, 0.42), 0), (0, cross, CORNER), (r.uniform(0.52, 0.7), cross)], tick]


@_style(4)
def four_curved_elbow(r: np.random.Generator) -> list[Stroke]:
    low = r.uniform(0.52, 0.68)
    elbow: Stroke = [(r.uniform(0.1, 0.3), 0), (0.06, low * 0.6), (0.05, low), (0.3, low + r.uniform(-0.04, 0.04))]
    stem: Stroke = [(r.uniform(0.42, 0.56), r.uniform(0.05, 0.4)), (r.uniform(0.36, 0.5), 1)]
    return [[*elbow, (r.uniform(0.58, 0.75), low - r.uniform(0, 0.08))], stem]


@_style(4)
def four_short_arm(r: np.random.Generator) -> list[Stroke]:
    cross, stem_x = r.uniform(0.42, 0.66), r.uniform(0.42, 0.6)
    elbow: Stroke = [
        (r.uniform(0, 0.3), r.uniform(0, 0.1)),
        (0, cross, CORNER),
        (stem_x + r.uniform(-0.03, 0.06), cross),
    ]
    return [elbow, [(stem_x + r.uniform(-0.02, 0.06), r.uniform(0, 0.3)), (stem_x - r.uniform(0, 0.14), 1)]]


@_style(4, held_out=True)
def four_hooked(r: np.random.Generator) -> list[Stroke]:
    elbow: Stroke = [(0.24, 0), (0.08, 0.4), (0.02, 0.6), (0.16, 0.62), (0.62, r.uniform(0.52, 0.6))]
    return [elbow, [(0.5, 0.3), (0.44, 0.85), (0.36, 1)]]


def _belly_of_five(r: np.random.Generator) -> Stroke:
    rise = r.uniform(0.34, 0.44)
    return [
        (0.3, rise),
        (0.54, 0.48),
        (r.uniform(0.54, 0.64), 0.7),
        (0.4, 0.95),
        (0.2, 1),
        (r.uniform(-0.05, 0.05), 0.9),
    ]


@_style(5)
def five_two_strokes(r: np.random.Generator) -> list[Stroke]:
    left = r.uniform(0.06, 0.16)
    bar: Stroke = [(left, r.uniform(-0.04, 0.05)), (r.uniform(0.45, 0.66), r.uniform(-0.07, 0.05))]
    return [[(left, 0), (0.06, r.uniform(0.4, 0.48), CORNER), *_belly_of_five(r)], bar]


@_style(5)
def five_one_stroke(r: np.random.Generator) -> list[Stroke]:
    start: Stroke = [(r.uniform(0.45, 0.65), r.uniform(-0.06, 0.04)), (0.12, 0, CORNER), (0.07, 0.42, CORNER)]
    return [[*start, *_belly_of_five(r)]]


@_style(5)
def five_s_shape(r: np.random.Generator) -> list[Stroke]:
    top: Stroke = [(r.uniform(0.46, 0.62), r.uniform(0, 0.06)), (0.28, 0.01), (0.12, 0.12), (0.14, 0.34)]
    return [[*top, (0.36, 0.46), (0.56, 0.66), (0.46, 0.92), (0.22, 1), (0, 0.92)]]


@_style(5)
def five_straight_back(r: np.random.Generator) -> list[Stroke]:
    bar: Stroke = [(0.1, 0), (r.uniform(0.4, 0.6), r.uniform(-0.04, 0.04))]
    return [[(0.1, 0), (0.08, 0.38), *_belly_of_five(r)], bar]


@_style(5)
def five_long_bar(r: np.random.Generator) -> list[Stroke]:
    neck = r.uniform(0.28, 0.4)
    bar: Stroke = [(r.uniform(0.08, 0.2), 0), (r.uniform(0.65, 0.95), r.uniform(-0.12, 0.02))]
    return [[(0.14, 0.02), (0.08, neck, CORNER), *_belly_of_five(r)], bar]


@_style(5, held_out=True)
def five_wavy_bar(r: np.random.Generator) -> list[Stroke]:
    bar: Stroke = [(0.1, 0.02), (0.25, -0.03), (0.42, 0.04), (r.uniform(0.55, 0.7), -0.06)]
    return [[(0.12, 0), (0.04, 0.44, CORNER), *_belly_of_five(r)[:-1], (0.05, 0.96), (0.03, 0.84)], bar]


@_style(6)
def six_curved(r: np.random.Generator) -> list[Stroke]:
    top = r.uniform(0.5, 0.64)
    bowl = r.uniform(0.5, 0.6)
    return [
        [
            (r.uniform(0.36, 0.55), 0),
            (0.14, 0.28),
            (0.02, 0.66),
            (0.12, 0.94),
            (0.3, 1),
            (0.52, 0.86),
            (bowl, 0.68),
            (0.34, top),
            (r.uniform(0.08, 0.18), r.uniform(0.68, 0.82)),
        ]
    ]


@_style(6)
def six_straight_stem(r: np.random.Generator) -> list[Stroke]:
    size = r.uniform(0.2, 0.28)
    bowl = arc(size, 1 - size, size, size, -150, -r.uniform(320, 370))
    return [[(r.uniform(0.18, 0.45), 0), *bowl]]


@_style(6)
def six_spiral(r: np.random.Generator) -> list[Stroke]:
    return [
        [
            (0.5, r.uniform(0.02, 0.12)),
            (0.3, 0.02),
            (0.08, 0.32),
            (0.02, 0.72),
            (0.22, 1),
            (0.5, 0.84),
            (0.44, 0.6),
            (0.22, 0.6),
            (r.uniform(0.14, 0.24), r.uniform(0.72, 0.84)),
            (r.uniform(0.24, 0.34), 0.82),
        ]
    ]


@_style(6)
def six_small_bowl(r: np.random.Generator) -> list[Stroke]:
    return [[(r.uniform(0.3, 0.6), 0), (0.1, 0.5), (0.04, 0.82), (0.2, 1), (0.4, 0.88), (0.32, 0.7), (0.06, 0.82)]]


@_style(6)
def six_tall(r: np.random.Generator) -> list[Stroke]:
    size, top = r.uniform(0.14, 0.22), r.uniform(0.3, 0.6)
    return [[(top, 0), (0.1, 0.5), *arc(size, 1 - size, size, size, 170, -r.uniform(270, 360))]]


@_style(6, held_out=True)
def six_hooked(r: np.random.Generator) -> list[Stroke]:
    return [
        [
            (0.56, r.uniform(0.1, 0.2)),
            (0.46, 0),
            (0.2, 0.14),
            (0.03, 0.6),
            (0.2, 1),
            (0.5, 0.82),
            (0.3, 0.56),
            (0.04, 0.72),
        ]
    ]


def _bar_of_seven(r: np.random.Generator) -> tuple[Point, Point]:
    angle, length = np.radians(r.uniform(-14, 12)), r.uniform(0.4, 0.75)
    return (0.6 - length * float(np.cos(angle)), length * float(np.sin(angle))), (0.6, 0, CORNER)


def _cross(r: np.random.Generator, foot: float) -> Stroke:
    """Return a bar through the stem from (0.6, 0) to (foot, 1)."""
    at = r.uniform(0.36, 0.64)
    x, half, tilt = 0.6 + (foot - 0.6) * at, r.uniform(0.12, 0.3), r.uniform(-0.1, 0.06)
    shift = r.uniform(-0.08, 0.08)
    return [(x - half + shift, at - tilt), (x + half + shift, at + tilt)]


@_style(7)
def seven_plain(r: np.random.Generator) -> list[Stroke]:
    foot = r.uniform(0.1, 0.58)
    return [[*_bar_of_seven(r), (foot, 1)]]


@_style(7)
def seven_curved(r: np.random.Generator) -> list[Stroke]:
    foot = r.uniform(0.15, 0.45)
    return [[*_bar_of_seven(r), (foot + 0.12, 0.45), (foot, 1)]]


@_style(7)
def seven_barred(r: np.random.Generator) -> list[Stroke]:
    foot = r.uniform(0.1, 0.5)
    return [[*_bar_of_seven(r), (foot, 1)], _cross(r, foot)]


@_style(7)
def seven_curved_barred(r: np.random.Generator) -> list[Stroke]:
    foot = r.uniform(0.15, 0.45)
    return [[*_bar_of_seven(r), ((foot + 0.55) / 2, 0.42), (foot, 1)], _cross(r, foot)]


@_style(7)
def seven_tick(r: np.random.Generator) -> list[Stroke]:
    (x, y, *_), tip = _bar_of_seven(r)
    tick: Point = (x + r.uniform(-0.06, 0.03), y + r.uniform(0.08, 0.24))
    return [[tick, (x, y, CORNER), tip, (r.uniform(0.12, 0.5), 1)]]


@_style(7)
def seven_wave(r: np.random.Generator) -> list[Stroke]:
    sag = r.uniform(0.03, 0.1)
    return [
        [(0, r.uniform(0.04, 0.18)), (0.15, 0.0), (0.36, sag), (0.6, 0, CORNER), (0.4, 0.45), (r.uniform(0.15, 0.4), 1)]
    ]


@_style(7)
def seven_rounded(r: np.random.Generator) -> list[Stroke]:
    return [[(0, r.uniform(-0.02, 0.1)), (0.35, 0), (0.54, 0.06), (0.5, 0.3), (0.36, 0.6), (r.uniform(0.15, 0.35), 1)]]


@_style(7)
def seven_sloped_barred(r: np.random.Generator) -> list[Stroke]:
    angle, length, foot = np.radians(r.uniform(-24, 20)), r.uniform(0.35, 0.75), r.uniform(0.02, 0.55)
    start: Point = (0.6 - length * float(np.cos(angle)), length * float(np.sin(angle)))
    return [[start, (0.6, 0, CORNER), ((foot + 0.6) / 2 + r.uniform(-0.08, 0.04), 0.48), (foot, 1)], _cross(r, foot)]


@_style(7, held_out=True)
def seven_tick_barred(r: np.random.Generator) -> list[Stroke]:
    (x, y, *_), tip = _bar_of_seven(r)
    foot = r.uniform(0.12, 0.5)
    return [[(x, y + r.uniform(0.08, 0.22)), (x, y, CORNER), tip, ((foot + 0.5) / 2, 0.45), (foot, 1)], _cross(r, foot)]


@_style(8)
def eight_s_first(r: np.random.Generator) -> list[Stroke]:
    waist, top = r.uniform(0.4, 0.52), r.uniform(0.42, 0.56)
    return [
        [
            (top, 0.1),
            (0.3, 0),
            (0.08, 0.2),
            (0.28, waist),
            (0.54, 0.74),
            (0.3, 1),
            (0.03, 0.76),
            (0.28, waist + 0.02),
            (0.52, 0.22),
            (r.uniform(0.34, 0.54), r.uniform(0.02, 0.14)),
        ]
    ]


@_style(8)
def eight_two_circles(r: np.random.Generator) -> list[Stroke]:
    top = r.uniform(0.2, 0.26)
    low = 0.5 - top
    gap = r.uniform(-0.03, 0.03)
    return [
        arc(0.3, top, r.uniform(0.16, 0.26), top, r.uniform(-130, 100), -r.uniform(335, 385)),
        arc(
            0.3,
            2 * top + low + gap,
            r.uniform(0.2, 0.32),
            low,
            r.uniform(-130, -40),
            r.choice([-1, 1]) * r.uniform(335, 385),
        ),
    ]


@_style(8)
def eight_from_the_middle(r: np.random.Generator) -> list[Stroke]:
    waist = r.uniform(0.42, 0.52)
    return [
        [
            (0.3, waist),
            (0.08, 0.24),
            (0.3, 0),
            (0.52, 0.22),
            (0.3, waist),
            (0.04, 0.74),
            (0.3, 1),
            (0.56, 0.74),
            (0.32, waist),
        ]
    ]


@_style(8)
def eight_open_top(r: np.random.Generator) -> list[Stroke]:
    return [
        [
            (r.uniform(0.5, 0.6), r.uniform(0, 0.08)),
            (0.22, 0.02),
            (0.1, 0.2),
            (0.34, 0.48),
            (0.5, 0.76),
            (0.26, 1),
            (0.05, 0.8),
            (0.3, 0.46),
            (r.uniform(0.52, 0.68), r.uniform(0.04, 0.18)),
        ]
    ]


@_style(8, held_out=True)
def eight_ribbon(r: np.random.Generator) -> list[Stroke]:
    return [
        [
            (0.56, r.uniform(0, 0.08)),
            (0.3, 0.46),
            (0.06, 0.76),
            (0.28, 1),
            (0.52, 0.78),
            (0.3, 0.48),
            (0.08, 0.22),
            (0.26, 0),
            (r.uniform(0.5, 0.6), r.uniform(0.04, 0.12)),
        ]
    ]


def _bowl_of_nine(r: np.random.Generator) -> Stroke:
    size = r.uniform(0.2, 0.28)
    return arc(0.3, size, r.uniform(0.2, 0.28), size, r.uniform(-40, 10), -r.uniform(320, 365))


@_style(9)
def nine_straight(r: np.random.Generator) -> list[Stroke]:
    return [[*_bowl_of_nine(r), (0.54, r.uniform(0.02, 0.2), CORNER), (r.uniform(0.36, 0.56), 1)]]


@_style(9)
def nine_tailed(r: np.random.Generator) -> list[Stroke]:
    tail: Stroke = [(0.52, 0.6), (0.44, 0.9), (0.26, 1), (r.uniform(0.02, 0.12), r.uniform(0.84, 0.95))]
    return [[*_bowl_of_nine(r), (0.54, 0.24), *tail]]


@_style(9)
def nine_curved_down(r: np.random.Generator) -> list[Stroke]:
    return [[*_bowl_of_nine(r), (0.54, 0.3), (0.46, 0.66), (r.uniform(0.1, 0.35), 1)]]


@_style(9)
def nine_two_strokes(r: np.random.Generator) -> list[Stroke]:
    x = r.uniform(0.48, 0.56)
    return [_bowl_of_nine(r), [(x, r.uniform(-0.02, 0.1)), (x - 0.02, 0.5), (x - r.uniform(-0.02, 0.14), 1)]]


@_style(9)
def nine_open(r: np.random.Generator) -> list[Stroke]:
    return [
        [
            (0.46, 0.06),
            (0.22, 0.02),
            (0.05, 0.24),
            (0.22, 0.46),
            (0.46, 0.34),
            (0.54, 0.04, CORNER),
            (r.uniform(0.38, 0.54), 1),
        ]
    ]


@_style(9)
def nine_flat_foot(r: np.random.Generator) -> list[Stroke]:
    foot: Stroke = [(0.44, 0.88), (r.uniform(0.2, 0.32), 1), (r.uniform(-0.08, 0.08), r.uniform(0.94, 1.02))]
    return [[*_bowl_of_nine(r), (0.53, 0.3), (0.53, r.uniform(0.55, 0.7)), *foot]]


@_style(9)
def nine_pointed(r: np.random.Generator) -> list[Stroke]:
    low = r.uniform(0.36, 0.5)
    loop: Stroke = [
        (0.5, r.uniform(0.0, 0.08), CORNER),
        (0.16, 0.06),
        (0.04, low * 0.7),
        (0.18, low),
        (0.48, low * 0.7),
    ]
    return [[*loop, (0.52, 0.04, CORNER), (r.uniform(0.3, 0.56), 1)]]


@_style(9)
def nine_small_bowl(r: np.random.Generator) -> list[Stroke]:
    size = r.uniform(0.13, 0.2)
    bowl = arc(0.5 - size, size, size, size, r.uniform(-40, 0), -r.uniform(300, 370))
    return [[*bowl, (0.5, size), (r.uniform(0.4, 0.52), 0.6), (r.uniform(0.2, 0.5), 1)]]


@_style(9, held_out=True)
def nine_swept(r: np.random.Generator) -> list[Stroke]:
    return [[*_bowl_of_nine(r), (0.56, 0.3), (0.5, 0.78), (0.3, 1), (0.08, 0.98), (-0.02, r.uniform(0.8, 0.9))]]
