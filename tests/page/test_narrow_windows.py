"""Windows between a phone's and a desktop's, and the smallest phone: nothing overlaps, is cut off, or lies outside."""

from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.results_page import classify_drawings, go
from tests.support.review_rows import add_drawings
from tests.support.screen_boxes import assert_fits, box
from tests.support.service import execute
from tests.support.service_process import Service

CHOICES: Final = [*(f"It is a {digit}" for digit in range(8)), "It is an 8", "It is a 9", "It is not a digit"]
IS_CUT: Final = (
    "(elements) => elements.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
)


def cut_off(elements: Locator) -> list[str]:
    """The texts that do not fit into their elements."""
    found: list[str] = elements.evaluate_all(IS_CUT)
    return found


@pytest.mark.parametrize("width", [600, 640, 683, 768])
def test_buttons_of_review_fit_beside_the_drawing(page: Page, sqlite_url: str, width: int) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 13)})
    page.set_viewport_size({"width": width, "height": 900})
    go(page, "#/review")
    for names in (CHOICES, ["Right", *CHOICES]):
        expect(page.get_by_role("button", name=names[0], exact=True)).to_be_visible()
        drawing = box(page, "drawing", ".offered-drawing img")
        assert_fits(page, [drawing, *(box(page, name) for name in (*names, "Skip", "Back"))])
        assert cut_off(page.locator(".label-controls button")) == []
        while page.get_by_role("button", name="Right", exact=True).is_hidden():
            page.get_by_role("button", name="Skip").click()


@pytest.mark.parametrize("width", [320, 761, 768, 810, 844, 900, 960])
def test_rows_of_results_hold_their_buttons_and_notes(
    page: Page, service: Service, sqlite_url: str, width: int
) -> None:
    classify_drawings(service, 3)
    execute(sqlite_url, "UPDATE predictions SET notes = 'a seven with a long bar' WHERE id = 2")
    page.set_viewport_size({"width": width, "height": 900})
    go(page, "#/results")
    expect(page.locator(".result-row")).to_have_count(3)
    for row in page.locator(".result-row").all():
        outer, actions = row.bounding_box(), row.locator(".row-actions").bounding_box()
        assert outer
        assert actions
        assert actions["x"] + actions["width"] <= outer["x"] + outer["width"] <= width
    notes = page.locator(".result-row .notes:not(:empty)").bounding_box()
    assert notes
    assert notes["width"] > 60


def test_confidence_and_time_are_whole_on_the_smallest_phone(page: Page, service: Service) -> None:
    classify_drawings(service, 3)
    page.set_viewport_size({"width": 320, "height": 568})
    go(page, "#/results")
    expect(page.locator(".result-row")).to_have_count(3)
    assert cut_off(page.locator(".result-row .quiet, .result-row .result-link")) == []
    assert all("\u00a0%" in text for text in page.locator(".result-link span:not([class])").all_inner_texts())


def test_chosen_period_is_whole_on_the_smallest_phone(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 568})
    go(page, "#/stats")
    expect(page.locator("#period")).to_have_value("1000")
    width, needed = page.locator("#period").evaluate("""(field) => {
      const { width } = field.getBoundingClientRect();
      field.style.width = "auto";
      return [width, field.getBoundingClientRect().width];
    }""")
    assert width >= needed


@pytest.mark.parametrize(("width", "height"), [(600, 900), (683, 900), (760, 900), (761, 900), (768, 1024), (900, 900)])
def test_label_buttons_of_draw_fit_on_the_screen(phone: Page, width: int, height: int) -> None:
    phone.set_viewport_size({"width": width, "height": height})
    expect(phone.locator("canvas.pad")).to_be_visible()
    by_mouse(phone, SEVEN)
    phone.keyboard.press("Enter")
    expect(phone.locator(".state")).to_contain_text("number 1.")
    controls = [box(phone, name) for name in ("Right", *CHOICES, "Clear", "Delete")]
    assert_fits(phone, [box(phone, "pad", "canvas.pad"), box(phone, "state", ".state"), *controls])
    assert cut_off(phone.locator(".draw button")) == []
