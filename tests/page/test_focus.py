"""Where the focus is after something was pressed: with the mouse nowhere, with the keyboard never lost."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import SharedTab, pause_clock
from tests.support.digit_images import encoded, picture
from tests.support.digit_strokes import FOUR, ONE, SEVEN, by_mouse
from tests.support.draw_page import draw_seven
from tests.support.results_page import classify_drawings, go, notes, row, send
from tests.support.review_page import expect_drawing, press
from tests.support.review_rows import add_drawings
from tests.support.service import KEY, execute, rows
from tests.support.service_process import Service


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


def test_keys_label_after_a_queue_was_chosen_by_mouse(page: Page, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 13)})
    execute(sqlite_url, "UPDATE predictions SET not_a_digit = 0.93 WHERE id = 12")
    go(page, "#/review")
    expect_drawing(page)
    expect(page.locator(".reason")).not_to_have_text("The model sees no digit here.")
    queue = page.get_by_label("Drawings to review")
    queue.click()
    queue.select_option("not a digit?")
    page.keyboard.press("Escape")
    expect(page.locator(".reason")).to_have_text("The model sees no digit here.")
    with page.expect_response("**/label"):
        page.keyboard.press("n")
    assert page.url.endswith("#/review?queue=not_a_digit")
    assert labels(sqlite_url) == ["none"]


def test_queue_chosen_by_keyboard_keeps_the_focus(page: Page, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 4)})
    go(page, "#/review")
    expect_drawing(page)
    page.get_by_role("button", name="Skip", exact=True).focus()
    queue = page.get_by_label("Drawings to review")
    while not queue.evaluate("queue => queue === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile(r"queue=not_a_digit$"))
    expect(queue).to_be_focused()


def test_queue_chosen_by_keyboard_keeps_the_focus_after_a_click_that_chose_nothing(page: Page, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 4)})
    go(page, "#/review")
    expect_drawing(page)
    queue = page.get_by_label("Drawings to review")
    queue.click()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile(r"queue=not_a_digit$"))
    expect(queue).to_be_focused()


@pytest.mark.parametrize("pressed", ["Undo", "Clear", "Store"])
def test_pad_takes_the_focus_from_a_button_that_goes(page: Page, pressed: str) -> None:
    pause_clock(page)
    by_mouse(page, SEVEN)
    button = page.get_by_role("button", name=pressed, exact=True)
    button.press("Enter")
    expect(button).to_be_hidden()
    expect(page.locator("canvas.pad")).to_be_focused()


def test_pad_takes_the_focus_when_an_image_was_chosen(page: Page) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Use an image").press("Enter")
    chooser.value.set_files([{"name": "seven.png", "mimeType": "image/png", "buffer": encoded(picture("7"))}])
    expect(page.locator(".state")).to_contain_text("number 1.")
    expect(page.locator("canvas.pad")).to_be_focused()


def test_focus_returns_to_the_row_when_notes_were_saved(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    go(page, "#/results")
    opener = row(page, 1).get_by_role("button", name="Notes on prediction 1")
    opener.press("Enter")
    page.keyboard.type("with a bar")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Save")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row(page, 1).locator(".notes")).to_have_text("with a bar")
    expect(opener).to_be_focused()
    assert notes(sqlite_url, 1) == "with a bar"


def test_reset_of_the_filters_leaves_the_focus_at_them(page: Page) -> None:
    go(page, "#/results?prediction=7")
    page.get_by_role("link", name="Reset the filters").press("Enter")
    expect(page.locator(".filters summary")).to_be_focused()


def test_review_keeps_the_focus_when_a_button_can_do_nothing_more(page: Page, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 3)})
    go(page, "#/review")
    expect_drawing(page)
    skip, back = (page.get_by_role("button", name=name, exact=True) for name in ("Skip", "Back"))
    skip.press("Enter")
    back.press("Enter")
    expect(back).to_be_disabled()
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.locator("main section:focus")).to_contain_text("Look again")


def test_review_keeps_the_focus_while_the_next_drawing_is_loaded(page: Page, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 3)})
    go(page, "#/review")
    expect_drawing(page)
    page.get_by_role("button", name="Skip", exact=True).press("Enter")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Show what I skipped (2)").press("Enter")
    expect_drawing(page)
    expect(page.get_by_role("button", name="Skip", exact=True)).to_be_focused()


def test_key_dialog_gives_the_focus_to_the_view_when_its_button_is_gone(shared_tab: SharedTab, site: str) -> None:
    with shared_tab.open(site, key=None) as page:
        page.get_by_role("main").get_by_role("button", name="Enter a key").press("Enter")
        page.keyboard.type(KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.get_by_role("main")).to_be_focused()


def test_deletion_that_must_be_checked_again_keeps_the_focus_in_its_dialog(page: Page, service: Service) -> None:
    draw_seven(page)
    page.get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    send(service, "PUT", "/results/1/label", {"label": "7"})
    page.get_by_role("button", name="Delete permanently").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Somebody has changed this prediction")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()


def test_view_takes_the_focus_from_a_notice_whose_retry_worked(page: Page) -> None:
    page.route("**/api/results?*", lambda route: route.abort(), times=1)
    go(page, "#/results")
    retry = page.get_by_role("button", name="Try again now")
    retry.press("Enter")
    expect(retry).to_be_hidden()
    expect(page.get_by_role("main")).to_be_focused()


def test_focus_returns_to_the_row_when_a_retry_saved_the_notes(page: Page, service: Service) -> None:
    classify_drawings(service, 1)
    go(page, "#/results")
    opener = row(page, 1).get_by_role("button", name="Notes on prediction 1")
    opener.press("Enter")
    page.keyboard.type("with a bar")
    page.route("**/api/results/1", lambda route: route.abort(), times=1)
    page.get_by_role("button", name="Save").press("Enter")
    page.get_by_role("button", name="Try again now").press("Enter")
    expect(row(page, 1).locator(".notes")).to_have_text("with a bar")
    expect(opener).to_be_focused()


def test_skip_link_keeps_the_address(page: Page) -> None:
    go(page, "#/results?prediction=7")
    expect(page.get_by_text("No result matches these filters.")).to_be_visible()
    before = page.url
    page.get_by_role("link", name="Skip to the content").press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert page.url == before
