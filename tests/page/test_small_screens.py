"""The page on phones: what is needed fits on the screen, and a finger hits it."""

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import SharedTab
from tests.support.digit_strokes import SEVEN, by_touch
from tests.support.review_rows import add_drawings
from tests.support.screen_boxes import assert_fits, box
from tests.support.service import KEY

# Width, height, and the smallest side of a control.
SCREENS: Final = [(320, 568, 40), (390, 664, 44), (844, 390, 44)]
CHOICES: Final = [*(f"It is a {digit}" for digit in range(8)), "It is an 8", "It is a 9", "It is not a digit"]


@pytest.mark.parametrize(("width", "height", "side"), SCREENS)
def test_answer_and_labels_fit_on_the_screen(phone: Page, width: int, height: int, side: int) -> None:
    phone.set_viewport_size({"width": width, "height": height})
    by_touch(phone, phone.context.new_cdp_session(phone), SEVEN)
    phone.keyboard.press("Enter")
    expect(phone.locator(".state")).to_contain_text("number 1.")

    controls = [box(phone, name) for name in ("Right", *CHOICES, "Clear", "Delete")]
    answer = [box(phone, "prediction", ".digit-read"), box(phone, "confidence", ".certainty")]
    assert_fits(phone, [box(phone, "pad", "canvas.pad"), box(phone, "state", ".state"), *answer, *controls])
    assert [one.name for one in controls if min(one.right - one.left, one.bottom - one.top) < side] == []
    for folded in ("Score of each digit", "Your drawing as the network sees it", "thin"):
        expect(phone.get_by_label(folded, exact=True)).to_be_hidden()
    phone.get_by_text("Details", exact=True).tap()
    expect(phone.get_by_role("list", name="Score of each digit")).to_be_visible()


@pytest.mark.parametrize(("width", "height", "side"), SCREENS)
def test_drawing_to_review_and_its_labels_fit_on_the_screen(
    phone: Page, sqlite_url: str, width: int, height: int, side: int
) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 13)})
    phone.set_viewport_size({"width": width, "height": height})
    phone.evaluate("location.hash = '#/review'")
    for names in (CHOICES, ["Right", *CHOICES]):
        expect(phone.get_by_role("button", name=names[0], exact=True)).to_be_visible()
        controls = [box(phone, name) for name in (*names, "Skip", "Back")]
        shown = [box(phone, "why", ".reason"), box(phone, "drawing", ".offered-drawing img")]
        assert_fits(phone, [*shown, box(phone, "prediction", ".digit-read"), *controls])
        assert shown[0].bottom - shown[0].top < 30, "one line says why"
        assert [one.name for one in controls if min(one.right - one.left, one.bottom - one.top) < side] == []
        while phone.get_by_role("button", name="Right", exact=True).is_hidden():
            phone.get_by_role("button", name="Skip").tap()


@pytest.mark.parametrize("key", [KEY, None])
def test_header_is_one_line(shared_phone: SharedTab, site: str, key: str | None) -> None:
    with shared_phone.open(site, key=key) as page:
        expect(page.locator("canvas.pad")).to_be_visible()
        for width, height, _ in SCREENS:
            page.set_viewport_size({"width": width, "height": height})
            links = [box(page, name, f'nav a[href="#/{name}"]') for name in ("draw", "results", "review", "stats")]
            controls = [*links, box(page, "brand", ".brand"), box(page, "key", "#key-button")]
            assert_fits(page, controls)
            assert max(one.top for one in controls) < min(one.bottom for one in controls)
            assert box(page, "header", ".top").bottom <= 52
            assert min(one.bottom - one.top for one in links) >= 40


@pytest.mark.parametrize("width", [320, 390, 700])
@pytest.mark.parametrize("key", [KEY, None])
def test_header_stays_on_the_screen_with_text_of_twice_the_size(
    shared_tab: SharedTab, site: str, key: str | None, width: int
) -> None:
    # A phone would make its screen as wide as what is on it.
    with shared_tab.open(site, key=key) as page:
        expect(page.locator("canvas.pad")).to_be_visible()
        page.set_viewport_size({"width": width, "height": 844})
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        links = [box(page, name, f'nav a[href="#/{name}"]') for name in ("draw", "results", "review", "stats")]
        assert_fits(page, [*links, box(page, "brand", ".brand"), box(page, "key", "#key-button")])


def test_keys_are_named_only_where_there_may_be_a_keyboard(phone: Page, page: Page) -> None:
    for view in ("draw", "review"):
        for tab in (phone, page):
            tab.evaluate("view => { location.hash = `#/${view}`; }", view)
            expect(tab.get_by_role("heading", level=1, name=view.capitalize())).to_be_attached()
        expect(phone.get_by_text("Keys:")).to_be_hidden()
    page.evaluate("location.hash = '#/draw'")
    expect(page.get_by_text("Keys:")).to_be_visible()
