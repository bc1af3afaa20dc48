"""The API key on the page: taken from a link or typed, kept in the tab and sent only to the API."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.support.browser import DESKTOP, SharedTab, let_act
from tests.support.digit_strokes import ONE, SEVEN, by_mouse
from tests.support.results_page import Held, classify_drawings, go, lose_on_the_way_to_the_page, row, send
from tests.support.service import KEY, rows
from tests.support.service_process import Service, serving
from tests.support.waiting import wait_until


def draw(page: Page) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")


class Hold:
    """Checks of a key that are answered when a test says so."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.routes: list[Route] = []
        page.route("**/api/keys/current", lambda route: self.routes.append(route))

    def wait_for(self, count: int) -> None:
        """Wait until so many checks have begun."""
        wait_until(lambda: self.page.wait_for_timeout(10) or len(self.routes) >= count, "the key is checked")

    def accept(self, number: int) -> None:
        """Answer a check, and let the page act on it."""
        with self.page.expect_event("requestfinished"):
            self.routes[number].fulfill(json={"scopes": []})
        let_act(self.page)


def enter(page: Page, key: str) -> None:
    page.locator("#key-button").click()
    page.get_by_label("Key", exact=True).fill(key)
    page.keyboard.press("Enter")


def key_of(page: Page) -> str:
    return str(page.evaluate("sessionStorage.getItem('pixelwise-key') ?? ''"))


def test_key_from_a_link_stays_in_the_tab_and_out_of_every_url(
    browser: Browser, service: Service, site: str, sqlite_url: str
) -> None:
    requests: list[Request] = []
    with browser.new_context(**DESKTOP) as context:
        context.on("request", lambda request: requests.append(request))
        page = context.new_page()
        page.goto(f"{site}#key={KEY}")
        draw(page)
        expect(page.locator(".state")).to_contain_text("number 1.")

        assert page.url == f"{site}#/draw"
        assert page.evaluate("history.length") == 2, "the address with the key can be gone back to"
        assert context.cookies() == []
        assert page.evaluate("[Object.values(localStorage), Object.values(sessionStorage)]") == [[], [KEY]]
        for request in requests:
            headers = request.all_headers()
            assert KEY not in request.url
            assert "cookie" not in headers
            assert "referer" not in headers
            assert (headers.get("x-api-key") == KEY) == ("/api/" in request.url)
            assert request.url.startswith(site)
    assert len(rows(sqlite_url, "SELECT id FROM predictions")) == 1
    log = service.log.read_text()
    assert "POST /api/classify" in log
    assert KEY not in log


def test_new_tab_asks_for_the_key_and_a_reload_does_not(page: Page, site: str) -> None:
    expect(page.get_by_role("button", name="The key is set; change or forget it")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="The key is set; change or forget it")).to_be_visible()
    second = page.context.new_page()
    second.goto(site)
    expect(second.get_by_role("button", name="Enter the API key")).to_be_visible()


def test_key_can_be_forgotten(page: Page) -> None:
    page.get_by_role("button", name="The key is set; change or forget it").click()
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_role("button", name="Enter the API key")).to_be_visible()
    assert KEY not in page.evaluate("Object.values(sessionStorage)")
    draw(page)
    expect(page.locator(".draw .notice:not(:empty)")).to_contain_text("This needs the API key.")


def forget_key(page: Page) -> None:
    page.locator("#key-button").click()
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_role("button", name="Enter the API key")).to_be_visible()


@pytest.mark.parametrize("other", ["none", "another"])
def test_drawings_leave_the_screen_with_the_key_that_saw_them(page: Page, service: Service, other: str) -> None:
    classify_drawings(service, 2)
    pictures = page.locator("main img[src^='blob:']")
    weak = send(service, "POST", "/keys", {"name": f"without-{other}", "scopes": ["classify"]})["key"]
    for address, count in (("#/results", 2), ("#/results/1", 2)):
        go(page, address)
        expect(pictures).to_have_count(count)
        if other == "none":
            forget_key(page)
        else:
            enter(page, weak)
        expect(page.get_by_role("main")).to_contain_text(re.compile("see drawings"))
        expect(pictures).to_have_count(0)
        enter(page, KEY)
        expect(pictures).to_have_count(count)


def test_results_that_need_a_key_leave_the_screen_with_it(
    shared_tab: SharedTab, sqlite_url: str, tmp_path: Path
) -> None:
    with (
        serving(sqlite_url, tmp_path, PUBLIC_RESULTS="false") as service,
        shared_tab.open(f"http://127.0.0.1:{service.port}/") as page,
    ):
        classify_drawings(service, 2)
        send(service, "PATCH", "/results/1", {"notes": "for us alone"})
        main = page.get_by_role("main")
        for address in ("#/results", "#/results/1", "#/results"):
            go(page, address)
            expect(main).to_contain_text("for us alone")
            forget_key(page)
            expect(main).to_contain_text("This needs the API key.")
            expect(main).not_to_contain_text("for us alone")
            enter(page, KEY)
            expect(main).to_contain_text("for us alone")
        # In a view that is not open, too.
        go(page, "#/stats")
        share = page.get_by_text("Mean confidence").first
        expect(share).to_be_visible()
        forget_key(page)
        expect(main).to_contain_text("This needs the API key.")
        expect(share).to_be_hidden()
        go(page, "#/results")
        expect(main).to_contain_text("This needs the API key.")
        expect(main).not_to_contain_text("for us alone")


def test_list_that_was_read_without_a_key_stays_when_one_is_entered(page: Page, service: Service) -> None:
    classify_drawings(service, 2)
    go(page, "#/results")
    forget_key(page)
    expect(row(page, 1)).to_be_visible()
    row(page, 1).evaluate("row => { window.before = row; }")
    enter(page, KEY)
    expect(page.locator("main img[src^='blob:']")).to_have_count(2)
    assert page.evaluate("window.before.isConnected")


def test_drawing_without_a_key_explains_how_to_get_one(shared_tab: SharedTab, site: str, sqlite_url: str) -> None:
    with shared_tab.open(site, key=None) as page:
        draw(page)
        expect(page.locator(".draw .notice:not(:empty)")).to_contain_text("This needs the API key. Your drawing")
        page.get_by_role("button", name="Enter a key").click()
        expect(page.get_by_role("dialog")).to_contain_text("scripts/serve prints a link with the key in it")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
    assert rows(sqlite_url, "SELECT id FROM predictions") == []


def test_refused_key_is_not_sent_with_every_move_of_the_pen(shared_tab: SharedTab, site: str) -> None:
    with shared_tab.open(site, key=None) as page:
        sent: list[Request] = []
        page.on("request", lambda request: request.url.endswith("/preview") and sent.append(request))
        with page.expect_response("**/preview"):
            by_mouse(page, ONE)
        for _ in range(3):
            by_mouse(page, ONE)
        expect(page.locator(".state")).to_contain_text("This will be stored in a moment.")
        expect(page.locator(".draw .notice:not(:empty)")).to_contain_text("This needs the API key.")
        refused = len(sent)
        # The moves before the first answer.
        assert refused <= 2
        enter(page, KEY)
        expect(page.get_by_role("dialog")).to_be_hidden()
        with page.expect_response("**/preview") as answer:
            by_mouse(page, SEVEN)
        assert answer.value.ok


def test_late_refusal_of_the_old_key_says_nothing_of_the_new_one(shared_tab: SharedTab, site: str) -> None:
    with shared_tab.open(site, key=None) as page:
        held = Held(page, "**/api/keys/current", "GET")
        go(page, "#key=wrong")
        old = held.wait()
        go(page, f"#key={KEY}")
        held.let_go()
        old.continue_()
        # The same question with the new key.
        held.let_go()
        expect(page.get_by_role("button", name="The key is set; change or forget it")).to_be_visible()


def draw_while_the_key_is_replaced(page: Page) -> Held:
    """Let the old key be refused once the new one is set; return what holds the repeated request."""
    held = Held(page, "**/api/classify", "POST")
    draw(page)
    old = held.wait()
    go(page, f"#key={KEY}")
    old.continue_()
    return held


def test_drawing_that_the_old_key_may_not_store_is_stored_with_the_new_one(shared_tab: SharedTab, site: str) -> None:
    with shared_tab.open(site, key="wrong") as page:
        draw_while_the_key_is_replaced(page).let_go()
        expect(page.locator(".state")).to_contain_text("number 1.")
        expect(page.get_by_role("button", name="The key is set; change or forget it")).to_be_visible()


def test_repeated_drawing_whose_answer_is_lost_belongs_to_the_new_key(
    shared_tab: SharedTab, site: str, sqlite_url: str
) -> None:
    with shared_tab.open(site, key="wrong") as page:
        held = draw_while_the_key_is_replaced(page)
        lose_on_the_way_to_the_page(held.wait())
        page.unroute_all()
        page.get_by_role("button", name="Try again now").click()
        expect(page.locator(".state")).to_contain_text("number 1.")
    assert len(rows(sqlite_url, "SELECT id FROM predictions")) == 1


def test_limit_of_one_key_does_not_silence_the_next(page: Page) -> None:
    limited = {"Retry-After": "600", "Content-Type": "application/problem+json"}
    page.route("**/preview", lambda route: route.fulfill(status=429, headers=limited, body="{}"))
    with page.expect_response("**/preview"):
        by_mouse(page, ONE)
    page.unroute_all()
    enter(page, KEY)
    expect(page.get_by_role("dialog")).to_be_hidden()
    with page.expect_response("**/preview") as answer:
        by_mouse(page, SEVEN)
    assert answer.value.ok


@pytest.mark.parametrize("way_out", ["Cancel", "Forget the key", "Escape"])
def test_key_whose_check_was_given_up_is_not_kept(page: Page, way_out: str) -> None:
    hold = Hold(page)
    enter(page, "another")
    hold.wait_for(1)
    if way_out == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name=way_out).click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    hold.accept(0)
    assert key_of(page) == ("" if way_out == "Forget the key" else KEY)


def test_late_answer_does_not_close_the_dialog_when_it_is_open_again(page: Page) -> None:
    hold = Hold(page)
    enter(page, "another")
    hold.wait_for(1)
    page.get_by_role("button", name="Cancel").click()
    page.locator("#key-button").click()
    hold.accept(0)
    expect(page.get_by_role("dialog")).to_be_visible()
    assert key_of(page) == KEY


def test_newest_key_counts_and_a_double_click_checks_it_once(page: Page) -> None:
    hold = Hold(page)
    enter(page, "first")
    hold.wait_for(1)
    page.get_by_label("Key", exact=True).fill("second")
    page.get_by_role("button", name="Use this key").dblclick()
    hold.wait_for(2)
    assert [route.request.headers["x-api-key"] for route in hold.routes] == ["first", "second"]
    hold.accept(1)
    expect(page.get_by_role("dialog")).to_be_hidden()
    hold.accept(0)
    assert key_of(page) == "second"


@pytest.mark.parametrize("by", ["link", "hand"])
def test_key_with_unusual_characters_works(shared_tab: SharedTab, sqlite_url: str, tmp_path: Path, by: str) -> None:
    key = "schlüssel %41&=#/?+ 鍵"
    with (
        serving(sqlite_url, tmp_path, SECRET_API_KEY=key) as service,
        shared_tab.open(f"http://127.0.0.1:{service.port}/", key=key if by == "link" else None) as page,
    ):
        if by == "hand":
            page.get_by_role("button", name="Enter the API key").click()
            page.get_by_label("Key", exact=True).fill(key)
            page.keyboard.press("Enter")
            expect(page.get_by_role("dialog")).to_be_hidden()
        draw(page)
        expect(page.locator(".state")).to_contain_text("number 1.")
