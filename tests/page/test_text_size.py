"""The reader's own text size, from the settings of the browser: the page follows it, and everything stays reachable."""

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium_path, open_page
from tests.support.results_page import go
from tests.support.stored_rows import random_rows, store

TWICE: Final = ["--no-sandbox", "--blink-settings=defaultFontSize=32"]
SIZES: Final = [(320, 568), (390, 664), (600, 900), (768, 1024), (844, 390), (1280, 800)]
VIEWS: Final = {
    "draw": "canvas.pad",
    "results": ".result-row img[src]",
    "results/12": "img.drawing[src]",
    "review": ".offered-drawing img",
    "stats": ".stats > [role=status]:not(:empty)",
}
# What is seen and can be used lies inside the window, from left to right.
OUTSIDE: Final = """() => {
  const seen = [...document.querySelectorAll("main :is(a, button, select, input)")].filter((one) =>
    one.checkVisibility({ visibilityProperty: true }) && !one.closest("details:not([open]) > :not(summary)"));
  return seen.filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML);
}"""


@pytest.fixture
def large(browser: Browser, site: str, sqlite_url: str) -> Iterator[Page]:
    """The page in a browser whose text has twice the usual size."""
    store(sqlite_url, random_rows(20), drawings=True)
    other = browser.browser_type.launch(executable_path=chromium_path(), args=TWICE)
    with open_page(other, site) as page:
        yield page
    other.close()


def test_page_follows_the_text_size_and_needs_no_scrolling_sideways(large: Page) -> None:
    assert large.evaluate("getComputedStyle(document.body).fontSize") == "32px"
    for view, shown in VIEWS.items():
        go(large, f"#/{view}")
        expect(large.locator(shown).first).to_be_visible()
        for width, height in SIZES:
            large.set_viewport_size({"width": width, "height": height})
            assert large.evaluate("document.documentElement.scrollWidth <= innerWidth"), (view, width)
            assert large.evaluate(OUTSIDE) == [], (view, width)


def test_rows_of_results_hold_their_buttons_with_text_of_twice_the_size(large: Page) -> None:
    go(large, "#/results")
    expect(large.locator(".result-row img[src]").first).to_be_visible()
    for width, height in SIZES:
        large.set_viewport_size({"width": width, "height": height})
        row = large.locator(".result-row").first
        outer, actions = row.bounding_box(), row.locator(".row-actions").bounding_box()
        assert outer
        assert actions
        assert outer["x"] <= actions["x"]
        assert actions["x"] + actions["width"] <= outer["x"] + outer["width"], width
        assert actions["y"] + actions["height"] <= outer["y"] + outer["height"], width
