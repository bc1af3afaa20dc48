"""Draw line charts as SVG, for light and dark pages."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 680, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 550, 48, 308
LABEL_HEIGHT = 16

# For each line: its colour on a light and on a dark page, and its dashes.
STYLES = (
    ("#1d4ed8", "#7aa2ff", ""),
    ("#57606a", "#9ba3ad", "2 4"),
    ("#b45309", "#f0b24f", "9 4"),
    ("#047857", "#46c99a", "5 3"),
    ("#a21caf", "#e58be8", "9 3 2 3"),
)
STYLESHEET = """\
svg { font: 13px system-ui, sans-serif }
.page { fill: #ffffff } text { fill: #24292f } .grid { stroke: #d0d7de }
%s
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d }
%s
}"""


def ticks(highest: float, *, lowest: float | None) -> list[float]:
    """Return round values from 0 to at least the highest or, given the lowest, powers of ten around both."""
    if lowest is not None:
        return [10.0**power for power in range(math.floor(math.log10(lowest)), math.floor(math.log10(highest)) + 2)]
    step = 10 ** math.floor(math.log10(highest))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2) if highest / (step * factor) <= 6)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def spread(heights: Sequence[float], lowest: float) -> list[float]:
    """Move labels until none overlaps the one above it, and none is lower than the lowest place."""
    places = list(heights)
    order = sorted(range(len(places)), key=places.__getitem__)
    for above, below in pairwise(order):
        places[below] = max(places[below], places[above] + LABEL_HEIGHT)
    for label in reversed(order):
        places[label] = min(places[label], lowest)
        lowest = places[label] - LABEL_HEIGHT
    return places


def line_chart(title: str, x_label: str, series: Mapping[str, Sequence[tuple[int, float]]], *, log: bool) -> str:
    """Return a chart of named lines of (x, y); each x has the same distance to the next, and y may be logarithmic."""
    values = [y for line in series.values() for _, y in line]
    marks = ticks(max(values), lowest=min(values) if log else None)
    columns = sorted({x for line in series.values() for x, _ in line})

    def across(x: int) -> float:
        return LEFT + (RIGHT - LEFT) * (columns.index(x) + 0.5) / len(columns)

    def down(y: float) -> float:
        low, high, at = (math.log10(v) for v in (marks[0], marks[-1], y)) if log else (0.0, marks[-1], y)
        return BOTTOM - (BOTTOM - TOP) * (at - low) / (high - low)

    parts = [_text(LEFT, 26, title, 'font-weight="600"')]
    for mark in marks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{down(mark):.1f}" y2="{down(mark):.1f}"/>')
        parts.append(_text(LEFT - 8, down(mark) + 4, f"{mark:,g}", 'text-anchor="end"'))
    parts += [_text(across(x), BOTTOM + 20, str(x), 'text-anchor="middle"') for x in columns]
    parts.append(_text((LEFT + RIGHT) / 2, BOTTOM + 42, x_label, 'text-anchor="middle"'))
    ends = spread([down(line[-1][1]) for line in series.values()], BOTTOM)
    for number, ((name, line), end) in enumerate(zip(series.items(), ends, strict=True)):
        points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in line)
        parts.append(f'<polyline class="line{number}" points="{points}"/>')
        parts += [f'<circle class="dot{number}" cx="{across(x):.1f}" cy="{down(y):.1f}" r="3"/>' for x, y in line]
        parts.append(_text(across(line[-1][0]) + 12, end + 4, name, f'class="dot{number}"'))
    return _svg(title, parts, len(series))


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'


def _svg(title: str, parts: Sequence[str], lines: int) -> str:
    light, dark = (
        "\n".join(
            f".line{number} {{ stroke: {style[theme]}; fill: none; stroke-width: {2.5 if number == 0 else 1.8}; "
            f"stroke-dasharray: {style[2] or 'none'} }} .dot{number} {{ fill: {style[theme]} }}"
            for number, style in enumerate(STYLES[:lines])
        )
        for theme in (0, 1)
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{STYLESHEET % (light, dark)}\n</style>",
            f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
            *parts,
            "</svg>\n",
        ]
    )
