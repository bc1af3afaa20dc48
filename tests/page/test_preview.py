"""The prediction of an unfinished drawing: it is that of the strokes on the pad, or there is none."""

from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import pause_clock
from tests.support.digit_strokes import FOUR, ONE, by_mouse
from tests.support.draw_page import expect_stored


def answer(status: int, **headers: str) -> Callable[[Route], None]:
    kind = {"Content-Type": "application/problem+json", **headers}
    return lambda route: route.fulfill(status=status, headers=kind, body="{}")


FAILURES: Final[dict[str, Callable[[Route], None]]] = {
    "limited": answer(429, **{"Retry-After": "600"}),
    "unavailable": answer(503),
    "unreachable": lambda route: route.abort(),
}


def expect_no_prediction(page: Page) -> None:
    for place in (".digit-read", ".certainty"):
        expect(page.locator(place)).to_be_empty()
    expect(page.locator("canvas.seen")).to_be_hidden()
    expect(page.locator(".labeller .right")).to_be_disabled()


@pytest.mark.parametrize("failure", FAILURES)
def test_prediction_of_earlier_strokes_is_not_shown_when_the_next_have_none(
    page: Page, sqlite_url: str, failure: str
) -> None:
    # Nothing is stored by itself.
    pause_clock(page)
    by_mouse(page, FOUR[:1])
    expect(page.locator(".certainty")).not_to_be_empty()
    expect(page.locator("canvas.seen")).to_be_visible()
    page.route("**/classify/preview", FAILURES[failure])
    by_mouse(page, FOUR[1:])
    expect_no_prediction(page)
    page.keyboard.press("y")
    expect(page.locator(".state")).to_have_text("This will be stored in a moment. Draw on to add to it.")
    # After a limit the next strokes are not sent.
    by_mouse(page, ONE)
    expect_no_prediction(page)
    page.keyboard.press("z")
    page.keyboard.press("Enter")
    expect(page.locator(".digit-read")).to_have_text("4")
    expect_stored(sqlite_url, ["4"])
