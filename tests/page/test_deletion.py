"""The dialog that deletes a prediction: while the answer is on its way, and when the answer is lost."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import let_act
from tests.support.digit_strokes import ONE, by_mouse
from tests.support.draw_page import draw_seven, stored_ids
from tests.support.results_page import Held, classify_drawings, go, lose_on_the_way_to_the_page
from tests.support.service_process import Service

PREDICTION = "**/api/results/1"


def draw_after_results(page: Page) -> None:
    """Draw where the browser's Back leads to Results."""
    go(page, "#/results")
    expect(page.get_by_role("heading", name="Results", exact=True)).to_be_visible()
    go(page, "#/draw")
    expect(page.locator("canvas.pad")).to_be_visible()
    draw_seven(page)


def delete(page: Page, button: str = "Delete") -> None:
    page.get_by_role("button", name=button).click()
    page.get_by_role("button", name="Delete permanently").click()


def test_dialog_stays_open_while_the_prediction_is_deleted(page: Page, sqlite_url: str) -> None:
    draw_seven(page)
    held = Held(page, PREDICTION, "DELETE")
    delete(page)
    expect(page.get_by_role("button", name="Keep it")).to_be_disabled()
    for _ in range(3):
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_visible()
    held.let_go()
    expect(page.locator(".state")).to_have_text("Deleted.")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert stored_ids(sqlite_url) == []


def test_late_answer_to_a_deletion_leaves_the_next_drawing_on_the_pad(page: Page, sqlite_url: str) -> None:
    draw_after_results(page)
    held = Held(page, PREDICTION, "DELETE")
    delete(page)
    request = held.wait()
    # The browser's buttons work during a dialog.
    page.go_back()
    expect(page.locator(".result-row")).to_be_visible()
    page.go_forward()
    expect(page.locator("canvas.pad")).to_be_visible()
    by_mouse(page, ONE)
    with page.expect_response(PREDICTION):
        request.continue_()
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("number 2.")
    assert stored_ids(sqlite_url) == [2]


def test_late_answer_to_a_deletion_leaves_the_reader_in_another_view(page: Page, service: Service) -> None:
    classify_drawings(service, 1)
    go(page, "#/stats")
    go(page, "#/results/1")
    held = Held(page, PREDICTION, "DELETE")
    delete(page, "Delete …")
    request = held.wait()
    page.go_back()
    expect(page.get_by_role("heading", name="Stats")).to_be_visible()
    with page.expect_response(PREDICTION):
        request.continue_()
    let_act(page)
    assert page.evaluate("location.hash") == "#/stats"


def test_dialog_is_closed_when_its_view_is_left(page: Page) -> None:
    draw_after_results(page)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.locator(".result-row")).to_be_visible()
    page.go_forward()
    expect(page.locator("canvas.pad")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize("awaited", ["**/api/results/1/labels", "**/deletion.js"])
def test_question_that_arrives_late_does_not_cover_the_next_drawing(page: Page, sqlite_url: str, awaited: str) -> None:
    draw_seven(page)
    held = Held(page, awaited, "GET")
    page.get_by_role("button", name="Delete").click()
    request = held.wait()
    by_mouse(page, ONE)
    with page.expect_response(awaited):
        request.continue_()
    let_act(page)
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("number 2.")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert stored_ids(sqlite_url) == [1, 2]


@pytest.mark.parametrize("view", ["draw", "results/1"])
def test_deletion_with_a_lost_answer_is_not_called_undone(page: Page, sqlite_url: str, view: str) -> None:
    draw_seven(page)
    go(page, f"#/{view}")
    button = "Delete" if view == "draw" else "Delete …"
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.route(PREDICTION, lose_on_the_way_to_the_page)
    page.get_by_role("button", name="Delete permanently").click()
    notice = page.get_by_role("alert").filter(has_text="PixelWise cannot be reached.")
    expect(notice).to_contain_text("It may be deleted.")
    assert stored_ids(sqlite_url) == []
    page.unroute_all()
    page.get_by_role("button", name="Try again now").click()
    if view == "draw":
        expect(page.locator(".state")).to_have_text("Deleted.")
    else:
        expect(page.get_by_role("heading", name="Results", exact=True)).to_be_visible()
    expect(notice).to_be_hidden()


def test_drawing_that_was_deleted_in_another_view_leaves_the_pad(page: Page) -> None:
    draw_seven(page)
    go(page, "#/results/1")
    delete(page, "Delete …")
    expect(page.get_by_role("heading", name="Results", exact=True)).to_be_visible()
    go(page, "#/draw")
    expect(page.locator(".hint")).to_be_visible()
    expect(page.locator(".state")).to_have_text("Deleted.")


def test_deletion_that_the_service_refused_changed_nothing(page: Page, sqlite_url: str) -> None:
    draw_seven(page)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    problem = "application/problem+json"
    page.route(PREDICTION, lambda route: route.fulfill(status=503, content_type=problem, body="{}"))
    page.get_by_role("button", name="Delete permanently").click()
    expect(page.get_by_role("alert").filter(has_text="Nothing was deleted.")).to_be_visible()
    assert stored_ids(sqlite_url) == [1]
