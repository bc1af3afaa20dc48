"""Notes on the page: nothing typed is lost, whenever a save ends and wherever it was begun."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.support.browser import close_unasked, expect_warning, open_page
from tests.support.draw_page import stored_ids
from tests.support.nginx import http_in_front
from tests.support.notes_page import PREDICTION, begin, begin_in_list, box
from tests.support.results_page import Held, classify_drawings, go, labels, lose_on_the_way_to_the_page, notes, row
from tests.support.service import execute
from tests.support.service_process import Service


@pytest.fixture
def one(page: Page, service: Service) -> Page:
    """The page, with one prediction in the service."""
    classify_drawings(service, 1)
    return page


def test_text_typed_while_notes_are_saved_is_kept(one: Page, sqlite_url: str) -> None:
    begin(one, "with")
    held = Held(one, PREDICTION, "PATCH")
    box(one).press("Control+Enter")
    request = held.wait()
    box(one).press_sequentially(" a bar")
    with one.expect_event("requestfinished"):
        request.continue_()
    expect(one.get_by_role("button", name="Save")).to_be_enabled()
    one.unroute_all()
    one.keyboard.press("7")
    expect(box(one)).to_have_value("with a bar7")
    assert notes(sqlite_url, 1) == "with"
    box(one).press("Control+Enter")
    expect(box(one)).to_be_hidden()
    assert notes(sqlite_url, 1) == "with a bar7"
    assert labels(sqlite_url) == []


@pytest.mark.parametrize("way", ["Cancel", "Notes on prediction 1"])
def test_save_that_ends_later_closes_no_other_panel(one: Page, sqlite_url: str, way: str) -> None:
    begin_in_list(one, "with a bar")
    held = Held(one, PREDICTION, "PATCH")
    one.get_by_role("button", name="Save").click()
    request = held.wait()
    one.get_by_role("button", name=way).click()
    row(one, 1).get_by_role("button", name="Label").click()
    with one.expect_event("requestfinished"):
        request.continue_()
    expect(row(one, 1).locator(".notes")).to_have_text("with a bar")
    expect(row(one, 1).get_by_role("button", name="It is a 4")).to_be_visible()
    assert notes(sqlite_url, 1) == "with a bar"


def test_half_typed_notes_are_not_saved_by_a_retry(one: Page, sqlite_url: str) -> None:
    begin(one, "with")
    one.context.set_offline(True)
    one.get_by_role("button", name="Save").click()
    alert = one.locator("form").get_by_role("alert")
    expect(alert.get_by_role("button", name="Try again now")).to_be_visible()
    box(one).focus()
    expect(alert).to_contain_text("Your text is kept.")
    expect(alert.get_by_role("button", name="Try again now")).to_be_hidden()
    saved: list[str | None] = []
    one.on("request", lambda request: request.method == "PATCH" and saved.append(request.post_data))
    one.context.set_offline(False)
    box(one).press_sequentially(" a ")
    assert notes(sqlite_url, 1) is None
    box(one).press_sequentially("bar")
    box(one).press("Control+Enter")
    expect(box(one)).to_be_hidden()
    assert len(saved) == 1
    assert notes(sqlite_url, 1) == "with a bar"


def test_save_with_a_lost_answer_is_no_conflict_with_itself(one: Page, sqlite_url: str) -> None:
    begin(one, "with a bar")
    held = Held(one, PREDICTION, "PATCH")
    one.get_by_role("button", name="Save").click()
    lose_on_the_way_to_the_page(held.wait())
    expect(one.locator("form").get_by_role("alert")).to_contain_text("PixelWise cannot be reached.")
    assert notes(sqlite_url, 1) == "with a bar"
    one.unroute_all()
    one.get_by_role("button", name="Try again now").click()
    expect(one.locator(".notes-text")).to_have_text("with a bar")
    expect(one.get_by_text("Somebody else has changed these notes.")).to_be_hidden()


def test_notes_are_saved_and_predictions_deleted_through_a_proxy_that_weakens_etags(
    browser: Browser, service: Service, sqlite_url: str, tmp_path: Path
) -> None:
    classify_drawings(service, 1)
    compressed = "gzip on; gzip_types application/json; gzip_min_length 0;"
    location = f"location / {{ {compressed} proxy_pass http://127.0.0.1:{service.port}; }}"
    with http_in_front(tmp_path, location) as front, open_page(browser, front) as page:
        with page.expect_response(PREDICTION) as answer:
            begin(page, "with a bar")
        assert answer.value.headers["etag"].startswith("W/")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".notes-text")).to_have_text("with a bar")
        assert notes(sqlite_url, 1) == "with a bar"
        page.get_by_role("button", name="Delete …").click()
        page.get_by_role("button", name="Delete permanently").click()
        expect(page.get_by_role("heading", name="Results", exact=True)).to_be_visible()
    assert stored_ids(sqlite_url) == []


def test_save_through_a_proxy_that_changes_etags_fails_instead_of_trying_for_ever(one: Page, sqlite_url: str) -> None:
    sent: list[Request] = []

    def change(route: Route) -> None:
        if route.request.method != "GET":
            sent.append(route.request)
            route.continue_()
            return
        answer = route.fetch()
        etag = answer.headers["etag"].removesuffix('"') + '-gzip"'
        route.fulfill(response=answer, headers={**answer.headers, "etag": etag})

    begin(one, "with a bar")
    one.route(PREDICTION, change)
    one.get_by_role("button", name="Save").click()
    expect(one.locator("form").get_by_role("alert")).to_contain_text("Your text is kept.")
    assert len(sent) == 2
    assert notes(sqlite_url, 1) is None


@pytest.fixture
def own(browser: Browser, site: str, service: Service) -> Iterator[Page]:
    """A tab of its own, which a test may close."""
    classify_drawings(service, 1)
    with open_page(browser, site) as page:
        yield page


def test_unsaved_notes_warn(own: Page) -> None:
    begin(own, "")
    box(own).press_sequentially("mine")
    expect_warning(own)


def test_notes_of_an_earlier_visit_warn_too(own: Page) -> None:
    begin_in_list(own, "mine")
    own.reload()
    expect(box(own)).to_have_value("mine")
    # Chromium asks only after a click.
    box(own).click()
    expect_warning(own)


def test_notes_on_a_prediction_that_somebody_deleted_do_not_warn_once_it_says_so(
    own: Page, service: Service, sqlite_url: str
) -> None:
    classify_drawings(service, 1)
    begin(own, "mine")
    execute(sqlite_url, "DELETE FROM drawings WHERE prediction_id = 1", "DELETE FROM predictions WHERE id = 1")
    own.reload()
    expect(own.get_by_text("This prediction does not exist.")).to_be_visible()
    expect(own.get_by_role("blockquote")).to_have_text("mine")
    go(own, "#/results")
    row(own, 2).get_by_role("button", name="Label").click()
    close_unasked(own)


def test_unsaved_notes_are_shown_when_a_label_finds_the_prediction_deleted(one: Page, sqlite_url: str) -> None:
    begin(one, "mine")
    execute(sqlite_url, "DELETE FROM drawings", "DELETE FROM predictions")
    one.get_by_role("button", name="It is a 4").click()
    expect(one.get_by_text("This prediction does not exist. It may have been deleted.").first).to_be_visible()
    expect(one.get_by_role("blockquote")).to_have_text("mine")


def test_notes_on_a_deleted_prediction_do_not_warn(own: Page) -> None:
    begin(own, "mine")
    own.get_by_role("button", name="Delete …").click()
    own.get_by_role("button", name="Delete permanently").click()
    expect(own.get_by_role("heading", name="Results", exact=True)).to_be_visible()
    close_unasked(own)
