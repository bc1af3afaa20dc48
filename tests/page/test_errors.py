"""Errors while drawing: the page reports them, loses nothing and stores nothing twice."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import text

from tests.support.browser import SharedTab, open_page
from tests.support.digit_strokes import FOUR, ONE, SEVEN, Stroke, by_mouse
from tests.support.draw_page import stored_digits
from tests.support.ports import free_port
from tests.support.results_page import classify_drawings, go
from tests.support.service import KEY, connected, execute, hidden, rows
from tests.support.service_process import Service, serving
from tests.support.waiting import wait_until

UNREACHABLE = "PixelWise cannot be reached."


def draw(page: Page, strokes: list[Stroke]) -> None:
    by_mouse(page, strokes)
    page.keyboard.press("Enter")


def state(page: Page) -> Any:
    return expect(page.locator(".state"))


def notice(page: Page) -> Any:
    return expect(page.locator(".draw .notice:not(:empty)"))


def try_again(page: Page) -> None:
    page.get_by_role("button", name="Try again now").click()


def test_drawing_made_offline_is_stored_after_reconnecting(page: Page, sqlite_url: str) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline. Nothing that you drew is lost.")).to_be_visible()
    draw(page, SEVEN)
    notice(page).to_contain_text(f"{UNREACHABLE} Your drawing is kept and will be stored.")
    state(page).to_have_text("Not stored yet.")
    page.context.set_offline(False)

    state(page).to_contain_text("number 1.")
    notice(page).to_be_hidden()
    assert stored_digits(sqlite_url) == ["7"]


def test_drawings_made_during_an_outage_are_stored_in_order(browser: Browser, sqlite_url: str, tmp_path: Path) -> None:
    port = free_port()
    with serving(sqlite_url, tmp_path, port=port) as service, open_page(browser, f"http://127.0.0.1:{port}/") as page:
        expect(page.locator("canvas.pad")).to_be_visible()
        service.kill()
        for strokes in (SEVEN, ONE, FOUR):
            draw(page, strokes)
        notice(page).to_contain_text(f"{UNREACHABLE} Your 3 drawings are kept and will be stored.")
        assert stored_digits(sqlite_url) == []
        # The page retries without a click.
        expect(page.locator(".countdown")).to_have_text(re.compile(r"Trying again in \d s\."))
        with serving(sqlite_url, tmp_path, port=port):
            state(page).to_contain_text("number 3.")
            expect(page.locator(".digit-read")).to_have_text("4")
            notice(page).to_be_hidden()
    assert stored_digits(sqlite_url) == ["7", "1", "4"]


def test_drawing_with_a_lost_response_is_stored_once(page: Page, service: Service, sqlite_url: str) -> None:
    def lose_the_answer(route: Route) -> None:
        assert route.fetch().ok
        route.abort()

    page.route("**/api/classify", lose_the_answer, times=1)
    draw(page, SEVEN)
    notice(page).to_contain_text(UNREACHABLE)
    assert stored_digits(sqlite_url) == ["7"]
    classify_drawings(service, 100)
    # The next drawing sends the waiting ones first.
    draw(page, ONE)

    state(page).to_contain_text("number 102.")
    notice(page).to_be_hidden()
    first, *_, last = stored_digits(sqlite_url)
    assert (first, last) == ("7", "1")


def test_drawing_resent_before_the_commit_is_stored_once(page: Page, sqlite_url: str) -> None:
    with connected(sqlite_url) as other:
        other.execute(text("BEGIN IMMEDIATE"))
        with page.expect_request("**/api/classify"):
            draw(page, SEVEN)
        page.reload()
        notice(page).to_contain_text("PixelWise is still storing this. Your drawing is kept and will be stored.")
    # The notice is also hidden for a moment at each retry.
    wait_until(lambda: stored_digits(sqlite_url), "the drawing is stored")
    wait_until(lambda: page.evaluate("localStorage.length") == 0, "the page knows that it is stored")
    notice(page).to_be_hidden()
    assert stored_digits(sqlite_url) == ["7"]


def test_wrong_key_can_be_corrected_without_losing_the_drawing(
    shared_tab: SharedTab, site: str, sqlite_url: str
) -> None:
    with shared_tab.open(site, key="not-the-key") as page:
        draw(page, SEVEN)
        notice(page).to_contain_text("This API key is wrong. Your drawing is kept and will be stored.")
        expect(page.get_by_role("button", name="The key is wrong; enter another one")).to_have_text("Wrong key")
        page.get_by_role("button", name="Enter a key").click()
        page.get_by_label("Key", exact=True).fill("neither")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("This API key is wrong.")
        page.get_by_label("Key", exact=True).fill(KEY)
        page.get_by_role("button", name="Use this key").click()
        state(page).to_contain_text("number 1.")
        expect(page.get_by_role("button", name="The key is set; change or forget it")).to_be_visible()
        notice(page).to_be_hidden()
    assert stored_digits(sqlite_url) == ["7"]


def test_rate_limited_drawing_shows_a_countdown_and_is_stored_later(
    shared_tab: SharedTab, sqlite_url: str, tmp_path: Path
) -> None:
    with (
        serving(sqlite_url, tmp_path, RATE_LIMIT="1/10seconds") as service,
        shared_tab.open(f"http://127.0.0.1:{service.port}/") as page,
    ):
        # Windows start at whole tens of seconds; near the end of one there is no time to see a countdown.
        wait_until(lambda: time.time() % 10 < 2, "a window has just begun")
        draw(page, SEVEN)
        state(page).to_contain_text("number 1.")
        draw(page, ONE)
        notice(page).to_contain_text("Too many requests in a short time. Your drawing is kept")
        first = page.locator(".countdown").inner_text()
        expect(page.locator(".countdown")).not_to_have_text(first)
        assert seconds(page.locator(".countdown").inner_text()) < seconds(first)
        state(page).to_contain_text("number 2.", timeout=30_000)
    assert stored_digits(sqlite_url) == ["7", "1"]


def seconds(countdown: str) -> int:
    match = re.fullmatch(r"Trying again in (\d+) s\.", countdown)
    assert match
    return int(match[1])


def test_drawing_is_kept_during_a_database_error(page: Page, sqlite_url: str) -> None:
    with hidden(sqlite_url, "predictions"):
        draw(page, SEVEN)
        notice(page).to_contain_text("PixelWise cannot store anything at the moment. Your drawing is kept")
    try_again(page)
    state(page).to_contain_text("number 1.")
    assert stored_digits(sqlite_url) == ["7"]


def test_stats_that_cannot_be_read_do_not_speak_of_storing(page: Page, sqlite_url: str) -> None:
    first = page.locator(".stats-section .notice").first
    with hidden(sqlite_url, "predictions"):
        page.get_by_role("link", name="Stats").click()
        expect(first).to_contain_text("PixelWise cannot answer this at the moment.")
    expect(first).to_be_hidden()


def test_unstored_drawing_survives_a_reload(page: Page, sqlite_url: str) -> None:
    with hidden(sqlite_url, "predictions"):
        draw(page, SEVEN)
        notice(page).to_contain_text("PixelWise cannot store anything at the moment.")
        page.reload()
        notice(page).to_contain_text("PixelWise cannot store anything at the moment.")
    try_again(page)
    notice(page).to_be_hidden()
    wait_until(lambda: stored_digits(sqlite_url) == ["7"], "the drawing is stored")
    page.reload()
    draw(page, ONE)
    state(page).to_contain_text("number 2.")
    assert stored_digits(sqlite_url) == ["7", "1"]


def test_failed_label_is_stored_later_for_its_own_drawing(page: Page, sqlite_url: str) -> None:
    draw(page, SEVEN)
    state(page).to_contain_text("number 1.")
    with hidden(sqlite_url, "labels"):
        page.keyboard.press("1")
        notice(page).to_contain_text("Your label is kept and will be stored.")
        draw(page, FOUR)
        state(page).to_contain_text("number 2.")
        notice(page).to_contain_text("Your label is kept and will be stored.")
    try_again(page)
    notice(page).to_be_hidden()
    labels = "SELECT prediction_id, label FROM labels"
    wait_until(lambda: rows(sqlite_url, labels) == [{"prediction_id": 1, "label": "1"}], "the correction is stored")
    state(page).to_contain_text("number 2.")


def test_label_of_a_deleted_prediction_shows_an_error(page: Page, sqlite_url: str) -> None:
    draw(page, SEVEN)
    state(page).to_contain_text("number 1.")
    execute(sqlite_url, "DELETE FROM drawings", "DELETE FROM predictions")
    page.keyboard.press("1")
    notice(page).to_contain_text("This prediction does not exist. It may have been deleted.")
    page.get_by_role("button", name="Close").click()
    notice(page).to_be_hidden()


@pytest.mark.parametrize("view", ["results", "results/30"])
def test_notice_does_not_cover_the_end_of_the_page(phone: Page, service: Service, view: str) -> None:
    classify_drawings(service, 30)
    phone.route("**/label", lambda route: route.abort())
    draw(phone, SEVEN)
    state(phone).to_contain_text("number 31.")
    phone.keyboard.press("1")
    go(phone, f"#/{view}")
    shown = phone.locator(".overlay .notice:not([hidden])")
    expect(shown).to_contain_text("Your label is kept and will be stored.")
    last = phone.locator(".result-row, article > .actions").last
    expect(last).to_be_visible()

    def is_free() -> bool:
        phone.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        end, over = last.bounding_box(), shown.bounding_box()
        return end is not None and over is not None and end["y"] + end["height"] <= over["y"]

    wait_until(is_free, "the last line is above the notice")


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (500, "application/problem+json", "Something went wrong inside PixelWise."),
        (403, "application/problem+json", "This key may not do that."),
        (401, "text/html", "A proxy in front of PixelWise refuses this."),
        (403, "text/html", "A proxy in front of PixelWise refuses this."),
    ],
)
def test_drawing_that_is_refused_again_and_again_can_be_discarded(
    page: Page, sqlite_url: str, status: int, kind: str, message: str
) -> None:
    page.route("**/api/classify", lambda route: route.fulfill(status=status, content_type=kind, body="{}"))
    draw(page, SEVEN)
    notice(page).to_contain_text(message)
    notice(page).to_contain_text("Your drawing is kept and will be stored.")
    page.unroute_all()
    page.get_by_role("button", name="Discard it").click()
    expect(page.locator(".hint")).to_be_visible()
    expect(page.locator(".unsent")).to_be_empty()
    draw(page, ONE)
    state(page).to_contain_text("number 1.")
    assert stored_digits(sqlite_url) == ["1"]


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "text/html"), (530, "text/html"), (408, "application/problem+json")]
)
def test_drawing_and_label_wait_when_they_do_not_reach_the_service(page: Page, status: int, kind: str) -> None:
    def lose(address: str) -> None:
        page.route(address, lambda route: route.fulfill(status=status, content_type=kind, body="{}"))

    lose("**/api/classify")
    draw(page, SEVEN)
    notice(page).to_contain_text("Your drawing is kept and will be stored.")
    notice(page).to_contain_text("Trying again in")
    page.unroute_all()
    try_again(page)
    state(page).to_contain_text("number 1.")
    lose("**/label")
    page.keyboard.press("7")
    notice(page).to_contain_text("Your label is kept and will be stored.")
    page.unroute_all()
    try_again(page)
    state(page).to_have_text("Confirmed: it is a 7.")


@pytest.mark.parametrize("status", [401, 429, 503, 507])
def test_drawing_that_waits_for_the_service_or_the_key_cannot_be_discarded(page: Page, status: int) -> None:
    kind = "application/problem+json"
    page.route("**/api/classify", lambda route: route.fulfill(status=status, content_type=kind, body="{}"))
    draw(page, SEVEN)
    notice(page).to_contain_text("kept and will be stored.")
    expect(page.get_by_role("button", name="Discard it")).to_have_count(0)


def test_invalid_drawing_does_not_block_the_next(page: Page, sqlite_url: str) -> None:
    damaged = json.dumps([{"requestId": "of-an-older-page", "pixels": [[0] * 28] * 27}])
    page.evaluate("damaged => sessionStorage.setItem('pixelwise-outbox', damaged)", damaged)
    page.reload()
    notice(page).to_contain_text("PixelWise rejected this as invalid. This drawing cannot be stored.")
    draw(page, SEVEN)
    page.get_by_role("button", name="Discard it").click()

    state(page).to_contain_text("number 1.")
    notice(page).to_be_hidden()
    assert stored_digits(sqlite_url) == ["7"]
