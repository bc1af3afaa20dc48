"""What the page shows at once, and what it does not offer in vain."""

from playwright.sync_api import Page, expect

from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.draw_page import draw_seven
from tests.support.notes_page import begin, box
from tests.support.results_page import Held, classify_drawings, go, labels, row
from tests.support.service import execute
from tests.support.service_process import Service

LABEL = "**/api/results/1/label"
RETRY = "Try again now"


def press_three_times(page: Page) -> None:
    """Label prediction 1 with three taps, while the service has not answered the first."""
    button = page.get_by_role("button", name="It is a 1")
    for _ in range(3):
        button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


def test_label_is_shown_at_the_tap_and_stored_once(page: Page, sqlite_url: str) -> None:
    draw_seven(page)
    held = Held(page, LABEL, "PUT")
    press_three_times(page)
    expect(page.locator(".state")).to_have_text("Storing the label …")
    held.let_go()
    expect(page.locator(".state")).to_have_text("Thank you. Labelled as a 1.")
    assert labels(sqlite_url) == [(1, "1")]


def test_label_in_the_list_is_shown_at_the_tap_and_stored_once(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    go(page, "#/results")
    row(page, 1).get_by_role("button", name="Label").click()
    held = Held(page, LABEL, "PUT")
    press_three_times(page)
    held.let_go()
    expect(row(page, 1).locator(".row-verdict")).to_contain_text("1")
    assert labels(sqlite_url) == [(1, "1")]


def test_drawing_that_is_left_for_the_results_appears_there(page: Page) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    # Without the look for newer ones every 15 seconds.
    page.evaluate("window.setInterval = () => 1")
    by_mouse(page, SEVEN)
    go(page, "#/results")
    expect(row(page, 1).or_(page.get_by_role("button", name="Show 1 newer")).first).to_be_visible()


def test_notes_on_a_deleted_prediction_are_kept_to_be_copied(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    begin(page, "with a bar")
    execute(sqlite_url, "DELETE FROM predictions WHERE id = 1")
    page.get_by_role("button", name="Save").click()
    alert = page.locator("form").get_by_role("alert")
    expect(alert).to_contain_text("Copy your text before you close.")
    expect(box(page)).to_have_value("with a bar")
    expect(alert.get_by_role("button", name=RETRY)).to_be_hidden()
    expect(page.get_by_role("button", name="Save")).to_be_hidden()


def test_filter_that_is_refused_is_not_tried_again(page: Page) -> None:
    go(page, "#/results?min_confidence=2")
    expect(page.get_by_role("alert")).to_contain_text("min_confidence")
    expect(page.get_by_role("button", name=RETRY)).to_be_hidden()
