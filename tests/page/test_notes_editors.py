"""Several editors of the same notes on the page: one draft, and nothing stored that was left or cancelled."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.notes_page import PREDICTION, begin, begin_in_list, box
from tests.support.results_page import Held, classify_drawings, go, lose_on_the_way_to_the_page, notes, row
from tests.support.service_process import Service
from tests.support.waiting import wait_until


@pytest.fixture
def one(page: Page, service: Service) -> Page:
    """The page, with one prediction in the service."""
    classify_drawings(service, 1)
    return page


def test_both_editors_of_a_prediction_have_the_same_draft(one: Page) -> None:
    begin_in_list(one, "with")
    row(one, 1).get_by_role("link").click()
    expect(one.get_by_role("heading", name="Prediction 1")).to_be_visible()
    expect(box(one)).to_have_value("with")
    box(one).fill("with a bar")
    go(one, "#/results")
    expect(row(one, 1)).to_be_visible()
    expect(box(one)).to_have_value("with a bar")
    go(one, "#/results/1")
    expect(one.get_by_role("heading", name="Prediction 1")).to_be_visible()
    one.get_by_role("button", name="Cancel").click()
    go(one, "#/results")
    expect(row(one, 1)).to_be_visible()
    expect(box(one)).to_be_hidden()


def save_in_vain(page: Page) -> None:
    """Press Save while no change reaches the service."""
    page.route(PREDICTION, lambda route: route.abort() if route.request.method == "PATCH" else route.fallback())
    page.get_by_role("button", name="Save").click()
    expect(page.locator("form").get_by_role("alert")).to_contain_text("Your text is kept.")


def save_held(page: Page, method: str) -> Held:
    """Press Save, and hold its request with this method."""
    held = Held(page, PREDICTION, method)
    page.get_by_role("button", name="Save").click()
    return held


def come_back(page: Page) -> None:
    """Leave the view, and open that of the prediction, which has an editor of the same draft."""
    go(page, "#/draw")
    expect(page.locator("canvas.pad")).to_be_visible()
    go(page, "#/results/1")
    expect(page.get_by_role("heading", name="Prediction 1")).to_be_visible()


def reconnect(page: Page) -> list[str]:
    """Let changes reach the service again, and everything try at once that waits for that.

    Returns the methods of the requests for the prediction from here on: a save begins with a GET.
    """
    page.unroute_all()
    methods = record(page)
    for is_offline in (True, False):
        page.context.set_offline(is_offline)
    return methods


def record(page: Page) -> list[str]:
    methods: list[str] = []

    def note(route: Route) -> None:
        methods.append(route.request.method)
        route.fallback()

    page.route(PREDICTION, note)
    return methods


def reload_the_list(page: Page) -> None:
    """Load the list anew, which takes longer than a save that has begun takes to send a request."""
    go(page, "#/draw")
    expect(page.locator("canvas.pad")).to_be_visible()
    with page.expect_response("**/api/results?*"):
        go(page, "#/results")
    expect(row(page, 1)).to_be_visible()


@pytest.mark.parametrize("begin_somewhere", [begin, begin_in_list])
def test_cancelled_notes_are_not_stored_by_an_editor_that_was_left(
    one: Page, sqlite_url: str, begin_somewhere: Callable[[Page, str], None]
) -> None:
    begin_somewhere(one, "with a bar")
    save_in_vain(one)
    come_back(one)
    one.get_by_role("button", name="Cancel").click()
    methods = reconnect(one)
    expect(one.get_by_text("No notes yet.")).to_be_visible()
    reload_the_list(one)
    assert methods == []
    assert notes(sqlite_url, 1) is None


def test_notes_cancelled_in_another_editor_while_they_are_saved_are_not_stored(one: Page, sqlite_url: str) -> None:
    begin_in_list(one, "with a bar")
    held = save_held(one, "GET")
    request = held.wait()
    go(one, "#/results/1")
    held.let_go()
    one.get_by_role("button", name="Cancel").click()
    methods = record(one)
    with one.expect_event("requestfinished"):
        request.continue_()
    reload_the_list(one)
    assert methods == []
    assert notes(sqlite_url, 1) is None


def test_closed_panel_saves_nothing(one: Page, sqlite_url: str) -> None:
    begin_in_list(one, "with a bar")
    save_in_vain(one)
    opener = row(one, 1).get_by_role("button", name="Notes")
    opener.click()
    expect(box(one)).to_be_hidden()
    methods = reconnect(one)
    reload_the_list(one)
    assert methods == []
    assert notes(sqlite_url, 1) is None
    opener.click()
    expect(box(one)).to_have_value("with a bar")


def test_list_says_again_what_was_not_saved_and_saves_it(one: Page, sqlite_url: str) -> None:
    begin_in_list(one, "with a bar")
    save_in_vain(one)
    go(one, "#/draw")
    expect(one.locator("canvas.pad")).to_be_visible()
    reconnect(one)
    go(one, "#/results")
    one.get_by_role("button", name="Try again now").click()
    expect(row(one, 1).locator(".notes")).to_have_text("with a bar")
    assert notes(sqlite_url, 1) == "with a bar"


def test_text_that_was_typed_on_in_another_editor_is_not_saved_by_a_retry(one: Page, sqlite_url: str) -> None:
    begin_in_list(one, "with")
    save_in_vain(one)
    come_back(one)
    box(one).fill("with a ")
    go(one, "#/results")
    expect(box(one)).to_have_value("with a ")
    expect(one.locator("form").get_by_role("alert")).to_contain_text("Your text is kept.")
    expect(one.get_by_role("button", name="Try again now")).to_be_hidden()
    methods = reconnect(one)
    reload_the_list(one)
    assert methods == []
    one.get_by_role("button", name="Save").click()
    expect(box(one)).to_be_hidden()
    assert notes(sqlite_url, 1) == "with a "


def test_text_that_was_typed_on_before_the_save_failed_is_not_saved_by_a_retry(one: Page) -> None:
    begin(one, "with")
    request = save_held(one, "PATCH").wait()
    box(one).fill("with a ")
    one.get_by_role("button", name="Save").focus()
    request.abort()
    expect(one.locator("form").get_by_role("alert")).to_contain_text("Your text is kept.")
    expect(one.get_by_role("button", name="Try again now")).to_be_hidden()


def test_save_in_a_second_editor_closes_it_once_the_first_has_saved_the_same(one: Page, sqlite_url: str) -> None:
    begin_in_list(one, "with a bar")
    request = save_held(one, "PATCH").wait()
    go(one, "#/results/1")
    expect(one.get_by_role("heading", name="Prediction 1")).to_be_visible()
    answer = save_held(one, "GET").wait()
    request.continue_()
    wait_until(lambda: one.evaluate("sessionStorage.getItem('pixelwise-notes')") == "[]", "the draft is dropped")
    answer.continue_()
    expect(one.locator(".notes-text")).to_have_text("with a bar")
    assert notes(sqlite_url, 1) == "with a bar"


def lose_the_answer(page: Page) -> None:
    """Press Save, and lose the answer."""
    lose_on_the_way_to_the_page(save_held(page, "PATCH").wait())
    expect(page.locator("form").get_by_role("alert")).to_contain_text("Your text is kept.")


@pytest.mark.parametrize("save", [save_in_vain, lose_the_answer])
def test_own_save_is_not_called_somebody_elses(one: Page, sqlite_url: str, save: Callable[[Page], None]) -> None:
    begin(one, "with")
    save(one)
    come_back(one)
    box(one).press_sequentially(" a bar")
    reconnect(one)
    one.get_by_role("button", name="Save").click()
    expect(one.locator(".notes-text")).to_have_text("with a bar")
    expect(one.get_by_text("Somebody else has changed these notes.")).to_be_hidden()
    assert notes(sqlite_url, 1) == "with a bar"
