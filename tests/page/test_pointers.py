"""Mouse, pen and fingers on the pad: which of them draws, and how a stroke ends."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.support.browser import PHONE, open_page, pause_clock
from tests.support.digit_strokes import FOUR, ONE, SEVEN, Stroke, by_mouse, mouse_event, on_the_screen, touch
from tests.support.results_page import go
from tests.support.service import rows

INK = "pad => pad.getContext('2d').getImageData(0, 0, pad.width, pad.height).data.some((value) => value > 0)"


@pytest.fixture
def phone(browser: Browser, site: str) -> Iterator[Page]:
    """The page on a phone, with the key; its clock stands still, so that nothing is stored before Enter."""
    with open_page(browser, site, **PHONE) as page:
        expect(page.locator("canvas.pad")).to_be_visible()
        pause_clock(page)
        yield page


def store(page: Page, database_url: str) -> list[str]:
    """Store the drawing; return all stored predictions."""
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("Is it right?")
    return [row["prediction"] for row in rows(database_url, "SELECT prediction FROM predictions ORDER BY id")]


def press(page: Page, strokes: list[Stroke]) -> None:
    """Begin a stroke with the mouse, and leave its button pressed."""
    (first, *others) = on_the_screen(page, strokes)[0]
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point)


def by_pen(page: Page, pen: CDPSession, strokes: list[Stroke]) -> None:
    for first, *others in on_the_screen(page, strokes):
        mouse_event(pen, "mousePressed", first, pointer="pen")
        for point in others:
            mouse_event(pen, "mouseMoved", point, pointer="pen")
        mouse_event(pen, "mouseReleased", others[-1], buttons=0, pointer="pen")


def test_pen_draws_while_the_palm_rests(phone: Page, sqlite_url: str) -> None:
    device = phone.context.new_cdp_session(phone)
    ((_, palm),) = on_the_screen(phone, [[(0.5, 0.5), (0.8, 0.9)]])
    touch(device, "touchStart", palm)
    touch(device, "touchMove", (palm[0] - 30, palm[1] - 8))
    by_pen(phone, device, FOUR[:1])
    # Between the strokes the palm is lifted and put down again.
    touch(device, "touchEnd")
    touch(device, "touchStart", palm)
    touch(device, "touchMove", (palm[0] - 30, palm[1] - 8))
    by_pen(phone, device, FOUR[1:])
    touch(device, "touchEnd")
    assert store(phone, sqlite_url) == ["4"]


RELEASE = """() => {
  const pad = document.querySelector("canvas.pad");
  for (let id = 0; id < 9; id++) if (pad.hasPointerCapture(id)) pad.releasePointerCapture(id);
}"""
LOSSES = {
    "view": "location.hash = '#/stats'",
    "back": "history.back()",
    "blur": "window.dispatchEvent(new Event('blur'))",
    "capture": RELEASE,
}


def test_stroke_ends_when_the_page_loses_it(page: Page, sqlite_url: str) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    pause_clock(page)
    expected = []
    for way, lose in LOSSES.items():
        go(page, "#/stats")
        expect(page.get_by_role("heading", name="Stats")).to_be_visible()
        go(page, "#/draw")
        expect(page.locator("canvas.pad")).to_be_visible()
        press(page, SEVEN)
        page.evaluate(lose)
        if way in ("view", "back"):
            expect(page.get_by_role("heading", name="Stats")).to_be_visible()
            page.mouse.up()
            go(page, "#/draw")
            expect(page.locator("canvas.pad")).to_be_visible()
        # What the pointer does from here is no part of the stroke.
        page.mouse.move(450, 500)
        page.mouse.up()
        expected.append("7")
        assert store(page, sqlite_url) == expected, way
        by_mouse(page, ONE)
        expected.append("1")
        assert store(page, sqlite_url) == expected, way


def test_finger_draws_after_a_view_was_left_with_a_finger_down(phone: Page, sqlite_url: str) -> None:
    finger = phone.context.new_cdp_session(phone)
    ((first, *others),) = on_the_screen(phone, ONE)
    touch(finger, "touchStart", first)
    go(phone, "#/stats")
    expect(phone.get_by_role("heading", name="Stats")).to_be_visible()
    touch(finger, "touchEnd")
    go(phone, "#/draw")
    expect(phone.locator("canvas.pad")).to_be_visible()
    touch(finger, "touchStart", first)
    for point in others:
        touch(finger, "touchMove", point)
    touch(finger, "touchEnd")
    assert store(phone, sqlite_url) == ["1"]


def test_only_the_first_button_draws(page: Page, sqlite_url: str) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    pause_clock(page)
    for button in ("right", "middle"):
        page.mouse.move(300, 300)
        page.mouse.down(button=button)  # type: ignore[arg-type]
        page.mouse.move(400, 400)
        page.mouse.up(button=button)  # type: ignore[arg-type]
    assert not page.locator("canvas.pad").evaluate(INK)
    # The first button is released while another one is held.
    press(page, SEVEN)
    page.mouse.down(button="right")
    page.mouse.up()
    page.mouse.move(300, 450)
    page.mouse.up(button="right")
    assert store(page, sqlite_url) == ["7"]
