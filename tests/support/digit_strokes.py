"""The ten digits as strokes, drawn as people write them, and the hands that draw them on the page.

for drawing in drawings():
    by_mouse(page, drawing.strokes)
"""

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from playwright.sync_api import CDPSession, Page

Point = tuple[float, float]
Stroke = list[Point]


class Drawing(NamedTuple):
    """A digit in one of the ways to write it: strokes in parts of the pad's side, from its upper left corner."""

    digit: str
    style: str
    way: str
    pen: str
    strokes: list[Stroke]


class Way(NamedTuple):
    """How a digit is written: how large and where its box lies, with which pen, how slanted and how fast."""

    side: float = 0.6
    left: float = 0.2
    top: float = 0.2
    pen: str = "normal"
    slant: float = 0.0
    points: int = 3


ONE: Final = [[(0.5, 0.2), (0.5, 0.5), (0.5, 0.8)]]
FOUR: Final = [[(0.3, 0.2), (0.25, 0.55), (0.75, 0.55)], [(0.65, 0.25), (0.64, 0.5), (0.63, 0.85)]]
SEVEN: Final = [[(0.3, 0.25), (0.5, 0.25), (0.7, 0.25), (0.45, 0.8)]]

# What the pen passes through, in hundredths of a box, right and down; | lifts it. A corner is two points side by side.
_STYLES: Final = {
    "0": {
        "plain": "52,0 22,20 15,55 30,92 60,98 82,65 78,20 50,1",
        "open": "60,3 30,10 14,50 30,95 65,95 86,50 72,12 52,6",
    },
    "1": {
        "plain": "52,0 50,50 48,100",
        "flag": "28,28 42,16 54,0 54.5,3 53,50 52,100",
    },
    "2": {
        "plain": "18,22 42,0 74,14 68,46 40,75 14,98 16,99 50,96 86,96",
        "loop": "20,20 45,2 74,16 66,50 40,86 20,97 14,84 30,80 55,92 88,96",
    },
    "3": {
        "round": "20,12 50,0 78,20 62,43 40,48 41,48.5 72,56 80,78 52,100 16,88",
        "flat": "18,3 50,2 80,3 79,5 60,24 44,42 45,43 76,54 78,82 48,100 16,90",
    },
    "4": {
        "open": "24,2 20,30 17,56 19,58 50,57 88,55 | 70,10 68,55 66,100",
        "closed": "64,0 40,30 12,64 14,66 50,66 90,65 | 65,1 64,50 63,100",
    },
    "5": {
        "one stroke": "78,2 50,3 28,4 27,6 24,40 25,42 50,36 78,55 74,86 46,100 16,92",
        "hat": "28,4 25,24 22,44 23,44.5 50,38 78,58 72,88 44,100 14,90 | 28,4 50,3 80,1",
    },
    "6": {
        "round": "68,0 40,20 20,55 24,90 52,100 78,82 68,58 42,56 22,74",
        "straight": "58,0 40,28 24,60 26,90 50,100 74,88 74,66 52,56 30,68",
    },
    "7": {
        "plain": "16,4 50,3 84,2 83,5 64,50 44,100",
        "bar": "16,4 50,3 84,2 83,5 64,50 44,100 | 36,52 58,51 84,50",
    },
    "8": {
        "one stroke": "72,16 48,0 26,18 42,42 70,62 74,88 48,100 22,86 30,62 58,42 72,17",
        "two rings": "50,0 28,14 30,36 50,46 72,34 70,12 50,0 | 50,47 22,64 24,90 50,100 78,88 76,62 50,47",
    },
    "9": {
        "straight": "74,16 50,0 26,18 32,42 58,42 74,17 75,19 72,60 68,100",
        "curved": "72,14 46,2 26,24 40,44 66,36 74,14 74.5,16 76,55 64,90 30,98",
    },
}

_WAYS: Final = {
    "plain": Way(),
    "small": Way(side=0.2, left=0.42, top=0.35),
    "large": Way(side=0.95, left=0.025, top=0.025),
    "upper left": Way(side=0.35, left=0.02, top=0.02),
    "upper right": Way(side=0.35, left=0.63, top=0.02),
    "lower left": Way(side=0.35, left=0.02, top=0.63),
    "lower right": Way(side=0.35, left=0.63, top=0.63),
    "thin": Way(pen="thin"),
    "thick": Way(pen="thick"),
    "slanted": Way(slant=0.25),
    "fast": Way(points=1),
    "slow": Way(points=8),
}


def drawings() -> list[Drawing]:
    """Every digit in two styles and every way, each by a hand that trembles differently, in an order of no pattern."""
    every = [
        Drawing(digit, style, name, way.pen, list(_written(path, way, Random(f"{digit} {style} {name}"))))
        for name, way in _WAYS.items()
        for digit, styles in _STYLES.items()
        for style, path in styles.items()
    ]
    Random(0).shuffle(every)
    return every


def _written(path: str, way: Way, random: Random) -> Iterator[Stroke]:
    for stroke in path.split("|"):
        points = [tuple(float(number) / 100 for number in point.split(",")) for point in stroke.split()]
        shaky = [(x + random.gauss(0, 0.012), y + random.gauss(0, 0.012)) for x, y in points]
        yield [
            (_inside(way.left + way.side * (x + way.slant * (0.5 - y))), _inside(way.top + way.side * y))
            for x, y in _curve(shaky, way.points)
        ]


def _inside(position: float) -> float:
    return min(max(position, 0.01), 0.99)


def _curve(through: Stroke, points: int) -> Stroke:
    """Sample a Catmull-Rom curve through the points: `points` samples for each segment, then the last point."""
    padded = [through[0], *through, through[-1]]
    curve = []
    for index, (begin, end) in enumerate(pairwise(through)):
        before, after = padded[index], padded[index + 3]
        for step in range(points):
            t = step / points
            weights = (
                (-(t**3) + 2 * t**2 - t) / 2,
                (3 * t**3 - 5 * t**2 + 2) / 2,
                (-3 * t**3 + 4 * t**2 + t) / 2,
                (t**3 - t**2) / 2,
            )
            corners = (before, begin, end, after)
            curve.append(
                (
                    sum(weight * x for weight, (x, _) in zip(weights, corners, strict=True)),
                    sum(weight * y for weight, (_, y) in zip(weights, corners, strict=True)),
                )
            )
    return [*curve, through[-1]]


def on_the_screen(page: Page, strokes: list[Stroke]) -> list[list[tuple[int, int]]]:
    """Where strokes lie in the window, in the whole pixels that a mouse knows."""
    box = page.locator("canvas.pad").bounding_box()
    assert box
    return [
        [(round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"])) for x, y in stroke]
        for stroke in strokes
    ]


def by_mouse(page: Page, strokes: list[Stroke]) -> None:
    """Draw with the mouse, and lift it after each stroke.

    Playwright's own mouse looks twice with each move whether something is dragged, which costs as much as the drawing.
    """
    mouse = _sessions.get(page) or _sessions.setdefault(page, page.context.new_cdp_session(page))
    for first, *others in on_the_screen(page, strokes):
        mouse_event(mouse, "mouseMoved", first, buttons=0)
        mouse_event(mouse, "mousePressed", first)
        for point in others:
            mouse_event(mouse, "mouseMoved", point)
        mouse_event(mouse, "mouseReleased", others[-1] if others else first, buttons=0)


_sessions: Final[WeakKeyDictionary[Page, CDPSession]] = WeakKeyDictionary()


def mouse_event(
    device: CDPSession, kind: str, point: tuple[int, int], *, buttons: int = 1, pointer: str = "mouse"
) -> None:
    """Move a mouse or a pen, or press its button or let it go; `buttons` are those that are then pressed."""
    event = {"type": kind, "x": point[0], "y": point[1], "buttons": buttons, "pointerType": pointer}
    button = {} if kind == "mouseMoved" and not buttons else {"button": "left", "clickCount": 1}
    device.send("Input.dispatchMouseEvent", {**event, **button})


def by_touch(page: Page, finger: CDPSession, strokes: list[Stroke]) -> None:
    """Draw with a finger; `finger` comes from `page.context.new_cdp_session(page)`."""
    for first, *others in on_the_screen(page, strokes):
        touch(finger, "touchStart", first)
        for point in others:
            touch(finger, "touchMove", point)
        touch(finger, "touchEnd")


def touch(finger: CDPSession, kind: str, *points: tuple[int, int]) -> None:
    """Say where fingers are, in the window; none when the last one is lifted."""
    finger.send(
        "Input.dispatchTouchEvent",
        {"type": kind, "touchPoints": [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]},
    )
