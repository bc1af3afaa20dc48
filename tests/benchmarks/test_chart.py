"""The charts of the benchmarks."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from benchmarks.chart import LABEL_HEIGHT, line_chart, spread, ticks

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("log", [False, True])
def test_chart_shows_and_names_every_line(log: bool) -> None:
    lines = {"one & only": [(1, 0.5), (8, 700.0)], "other": [(1, 2.0), (8, 690.0)]}
    chart = ElementTree.fromstring(line_chart("Speed", "connections", lines, log=log))
    texts = [text.text for text in chart.iter(f"{SVG}text")]
    assert {"Speed", "connections", "1", "8", *lines} <= set(texts)
    points = [line.attrib["points"].split() for line in chart.iter(f"{SVG}polyline")]
    heights = [[float(point.partition(",")[2]) for point in line] for line in points]
    # A larger value is higher up.
    assert all(first > last for first, last in heights)
    assert heights[0][1] < heights[1][1]
    assert heights[0][0] > heights[1][0]


def test_chart_is_legible_on_a_dark_page() -> None:
    chart = line_chart("Speed", "connections", {"one": [(1, 1.0), (8, 2.0)]}, log=False)
    light, dark = chart.split("prefers-color-scheme: dark")
    for name in (".page", "text", ".grid", ".line0", ".dot0"):
        colours = [re.search(rf"{re.escape(name)} {{[^}}]*(#\w{{6}})", theme) for theme in (light, dark)]
        assert all(colours), name
        assert len({found[1] for found in colours if found}) == 2, name


@pytest.mark.parametrize("highest", [0.01, 1, 9.9, 10, 999, 6100, 100_000])
def test_ticks_reach_the_highest_value(highest: float) -> None:
    linear, log = ticks(highest, lowest=None), ticks(highest, lowest=highest / 3)
    assert linear[0] == 0
    assert linear[-2] < highest <= linear[-1]
    assert 3 <= len(linear) <= 7
    assert log[0] <= highest / 3
    assert highest < log[-1]


def test_labels_of_close_lines_do_not_overlap() -> None:
    places = spread([50, 10, 11, 300, 12, 299], 310)
    assert places[1] == 10
    assert max(places) == 310
    assert all(below - above >= LABEL_HEIGHT for above, below in pairwise(sorted(places)))
