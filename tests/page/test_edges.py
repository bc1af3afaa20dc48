"""Edges of buttons and fields: they are seen in both themes, as WCAG 1.4.11 asks."""

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.support.results_page import go
from tests.support.review_rows import add_drawings

# The luminance of an edge and of what is behind it, for everything that can be pressed or filled in.
EDGES: Final = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => numbers(colour).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (one) => {
    const colour = getComputedStyle(one).backgroundColor;
    return numbers(colour)[3] === 0 ? behind(one.parentElement) : colour;
  };
  const controls = document.querySelectorAll("button:enabled, select, textarea, input:not([type=radio], [type=file])");
  return [...controls].filter((one) => one.getClientRects().length).map((one) => [
    one.outerHTML, luminance(getComputedStyle(one).borderTopColor), luminance(behind(one.parentElement)),
  ]);
}"""
LEAST: Final = 3


def faint_edges(page: Page) -> list[tuple[str, float]]:
    """Controls whose edge has too little contrast to what is around them."""
    contrasts = [
        (control, (max(edge, ground) + 0.05) / (min(edge, ground) + 0.05))
        for control, edge, ground in page.evaluate(EDGES)
    ]
    assert contrasts
    return [(control, contrast) for control, contrast in contrasts if contrast < LEAST]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_edges_of_buttons_and_fields_are_seen(page: Page, sqlite_url: str, theme: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 13)})
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for view, shown in (
        ("draw", "canvas.pad"),
        ("results", ".result-row img[src]"),
        ("review", ".offered-drawing img"),
    ):
        go(page, f"#/{view}")
        expect(page.locator(shown).first).to_be_visible()
        assert faint_edges(page) == [], view
    page.emulate_media(color_scheme="null")
