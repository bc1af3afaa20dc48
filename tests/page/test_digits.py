"""Digits drawn with mouse and finger are recognised, in every size and place, with every pen."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from playwright.sync_api import Browser, Page, expect

from app.classifier import classify_batch
from tests.support.browser import PHONE, open_page
from tests.support.digit_strokes import Drawing, Stroke, by_mouse, by_touch, drawings
from tests.support.nginx import Front
from tests.support.service import rows
from tests.support.service_process import Service

# Without animations and dense screens, which cost most of the time and change no pixel of a drawing.
LIGHT: Final[dict[str, Any]] = {"reduced_motion": "reduce", "device_scale_factor": 1}

# Each test with a hand draws its own ten of the 240 drawings.
SHARE: Final = 10
MAX_ERRORS: Final = 2

PIXELS_OF: Final = """async (drawings) => {
    const { PENS, toPixels } = await import("/static/lib/drawing.js");
    return drawings.map(({ pen, strokes }) => toPixels(strokes.map((points) => ({ width: PENS[pen], points }))));
}"""


def assert_recognised(
    page: Page, draw: Callable[[list[Stroke]], None], drawn: list[Drawing], database_url: str
) -> None:
    """Draw the digits and compare the stored predictions."""
    expect(page.get_by_text("Pen", exact=True)).to_be_visible()
    if page.get_by_role("radio").first.is_hidden():
        page.get_by_text("Pen", exact=True).click()
    # Sorted and stored by a key, since finding and clicking a button costs more than drawing a digit.
    drawn = sorted(drawn, key=lambda drawing: drawing.pen)
    pen = None
    for number, drawing in enumerate(drawn, start=1):
        if drawing.pen != pen:
            pen = drawing.pen
            page.get_by_role("radio", name=pen, exact=True).check()
        draw(drawing.strokes)
        page.keyboard.press("Enter")
        expect(page.locator(".state")).to_contain_text(f"number {number}.")
    read = [row["prediction"] for row in rows(database_url, "SELECT prediction FROM predictions ORDER BY id")]
    assert len(read) == len(drawn) == SHARE
    assert_few_errors(drawn, read)


def assert_few_errors(drawn: list[Drawing], read: list[str]) -> None:
    wrong = [
        f"{drawing.digit} ({drawing.style}, {drawing.way}) as {digit}"
        for drawing, digit in zip(drawn, read, strict=True)
        if drawing.digit != digit
    ]
    assert len(wrong) <= MAX_ERRORS, wrong


def test_pixels_that_the_page_makes_of_all_drawings_are_recognised(page: Page) -> None:
    drawn = drawings()
    side = page.locator("canvas.pad").evaluate("canvas => canvas.getBoundingClientRect().width")

    def as_from_a_mouse(stroke: Stroke) -> Stroke:
        return [(round(x * side) / side, round(y * side) / side) for x, y in stroke]

    pixels = page.evaluate(
        PIXELS_OF,
        [{"pen": drawing.pen, "strokes": list(map(as_from_a_mouse, drawing.strokes))} for drawing in drawn],
    )
    answers = classify_batch(np.array(pixels, np.uint8))
    assert_few_errors(drawn, [answer["prediction"] for answer in answers])


def test_digits_drawn_with_the_mouse_are_recognised(browser: Browser, site: str, sqlite_url: str) -> None:
    with open_page(browser, site, **LIGHT) as page:
        assert_recognised(page, partial(by_mouse, page), drawings()[:SHARE], sqlite_url)


def test_digits_drawn_with_a_finger_are_recognised(browser: Browser, site: str, sqlite_url: str) -> None:
    with open_page(browser, site, **{**PHONE, **LIGHT}) as page:
        finger = page.context.new_cdp_session(page)
        assert_recognised(page, partial(by_touch, page, finger), drawings()[SHARE : 2 * SHARE], sqlite_url)


def test_digits_drawn_with_the_mouse_are_recognised_through_nginx_and_https(
    browser: Browser, service: Service, front: Front, sqlite_url: str
) -> None:
    with open_page(browser, front.url + "/", ignore_https_errors=True, **LIGHT) as page:
        assert_recognised(page, partial(by_mouse, page), drawings()[2 * SHARE : 3 * SHARE], sqlite_url)


def test_digits_drawn_with_a_finger_are_recognised_through_nginx_and_https(
    browser: Browser, service: Service, front: Front, sqlite_url: str
) -> None:
    with open_page(browser, front.url + "/", ignore_https_errors=True, **{**PHONE, **LIGHT}) as page:
        finger = page.context.new_cdp_session(page)
        assert_recognised(page, partial(by_touch, page, finger), drawings()[3 * SHARE : 4 * SHARE], sqlite_url)
