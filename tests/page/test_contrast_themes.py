"""The page in a contrast theme, which replaces its colours: what a colour says is still seen."""

import io
from collections.abc import Iterator
from statistics import median
from typing import Final

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import open_page
from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.results_page import go
from tests.support.stored_rows import random_rows, store

EDGE: Final = 2


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    """The page in a light and in a dark contrast theme."""
    with open_page(browser, site, color_scheme=request.param, forced_colors="active") as page:
        yield page


def greys(element: Locator) -> list[int]:
    """Return the pixels of an element as it is seen, without its edge, 0 for black to 255 for white."""
    image = Image.open(io.BytesIO(element.screenshot())).convert("L")
    return list(image.crop((EDGE, EDGE, image.width - EDGE, image.height - EDGE)).tobytes())


def background(element: Locator) -> float:
    return median(greys(element))


def contrast(element: Locator) -> float:
    """Return how much the brightest or darkest pixel differs from most."""
    pixels = greys(element)
    return max(max(pixels) - median(pixels), median(pixels) - min(pixels))


def test_hint_and_strokes_are_seen_on_the_pad(page: Page) -> None:
    pad = page.locator("canvas.pad")
    expect(page.get_by_text("Draw a digit here")).to_be_visible()
    assert contrast(pad) > 100
    by_mouse(page, SEVEN)
    expect(page.get_by_text("Draw a digit here")).to_be_hidden()
    assert contrast(pad) > 200


def test_edge_of_the_pad_is_seen(page: Page) -> None:
    pad = page.locator("canvas.pad")
    expect(pad).to_be_visible()
    box = pad.bounding_box()
    assert box
    # From outside to inside, in the middle of the left side.
    clip = {"x": box["x"] - 6, "y": box["y"] + box["height"] / 2, "width": 12, "height": 1}
    outside, *others = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L").tobytes()
    assert max(abs(other - outside) for other in others) > 200


def test_chosen_label_and_open_view_look_different(page: Page) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("number 1.")
    for key, chosen, other in (("3", "It is a 3", "It is a 4"), ("y", "Right", "It is a 3")):
        page.keyboard.press(key)
        pressed = page.get_by_role("button", name=chosen, exact=True)
        expect(pressed).to_have_attribute("aria-pressed", "true")
        unpressed = page.get_by_role("button", name=other, exact=True)
        assert abs(background(pressed) - background(unpressed)) > 40
        assert contrast(pressed) > 100
    links = page.get_by_role("navigation").get_by_role("link")
    assert abs(background(links.nth(0)) - background(links.nth(1))) > 40


def test_most_prominent_button_does_not_look_chosen(page: Page) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    right = page.get_by_role("button", name="Right", exact=True)
    expect(right).to_have_attribute("aria-pressed", "false")
    page.mouse.move(0, 0)
    assert abs(background(right) - background(page.get_by_role("button", name="It is a 3", exact=True))) < 10


def test_bars_are_seen(page: Page, sqlite_url: str) -> None:
    store(sqlite_url, random_rows(2), drawings=True)
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("number 3.")
    page.evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished))")
    assert abs(background(page.locator(".bars .best .track")) - background(page.locator(".bars .track").first)) > 40
    go(page, "#/results")
    expect(page.locator(".track")).to_have_count(3)
    assert abs(background(page.locator(".track").first) - background(page.locator(".row-verdict").first)) > 40


def test_colours_of_the_legend_are_seen(page: Page) -> None:
    go(page, "#/stats")
    expect(page.locator(".stats > [role=status]")).not_to_be_empty()
    page.locator(".legend").evaluate("(legend) => (legend.closest('.content').hidden = legend.hidden = false)")
    before, now = page.locator(".swatch.before"), page.locator(".swatch.now")
    assert abs(background(before) - background(now)) > 40
