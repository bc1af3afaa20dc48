"""Where the focus is after something was pressed: with the mouse nowhere, with the keyboard never lost."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.digit_strokes import FOUR, ONE, by_mouse
from tests.support.draw_page import draw_seven
from tests.support.results_page import go
from tests.support.review_page import expect_drawing, press
from tests.support.review_rows import add_drawings
from tests.support.service import rows


def pause_clock(page: Page) -> None:
    """Stop the page's clock, so that nothing is stored by itself."""
    page.clock.install(time=0)
    page.clock.pause_at(60_000)


def labels(database_url: str) -> list[str]:
    return [stored["label"] for stored in rows(database_url, "SELECT label FROM labels ORDER BY id")]


@pytest.mark.parametrize("clicked", ["Undo", "thin", "Pen", "Details", "It is a 4"])
def test_enter_stores_the_drawing_after_a_click(page: Page, clicked: str) -> None:
    pause_clock(page)
    by_mouse(page, FOUR + ONE)
    page.get_by_text(clicked, exact=True).or_(page.get_by_role("button", name=clicked, exact=True)).first.click()
    with page.expect_response("**/api/classify") as answer:
        page.keyboard.press("Enter")
    assert answer.value.ok


def test_enter_after_a_click_on_a_label_stores_no_second_one(page: Page, sqlite_url: str) -> None:
    draw_seven(page)
    with page.expect_response("**/label"):
        page.get_by_role("button", name="It is a 4").click()
    page.keyboard.press("Enter")
    with page.expect_response("**/label"):
        page.keyboard.press("9")
    assert labels(sqlite_url) == ["4", "9"]


def test_enter_agrees_after_a_click_on_a_recent_label(page: Page, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 4)})
    go(page, "#/review")
    expect_drawing(page)
    first = press(page, "4")
    page.get_by_role("button", name="Change the label").click()
    expect(page.get_by_role("link", name=f"Number {first}")).to_be_visible()
    page.keyboard.press("Enter")
    expect_drawing(page, other_than=first)
