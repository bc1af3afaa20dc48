"""What is not stored yet: sent from every view, kept when the tab is closed, and stored once by several tabs."""

import json
import time

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import close_unasked, expect_warning, let_act, open_page
from tests.support.digit_strokes import ONE, SEVEN, by_mouse
from tests.support.draw_page import draw_unsent, expect_stored, stored_digits, unsent
from tests.support.results_page import classify_drawings, go, labels, row
from tests.support.service import KEY
from tests.support.service_process import Service
from tests.support.waiting import wait_until

API = "**/api/**"
FORBID_STORAGE = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, {get() { throw new DOMException("", "SecurityError"); }});
}
// As in Firefox.
window.BroadcastChannel = class { constructor() { throw new DOMException("", "SecurityError"); } };
"""
# As long as a tab waits, by its own clock, before it takes what another tab has not claimed again.
DECIDE = "window.decided = new Promise((done) => setTimeout(() => setTimeout(done, 100), 1000));"
FILL_STORAGE = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); };"


def lose_connection(page: Page) -> None:
    page.context.route(API, lambda route: route.abort())


def reconnect(page: Page) -> None:
    page.context.unroute_all()


@pytest.fixture
def away(page: Page) -> Page:
    """A page with two drawings that it could not store."""
    expect(page.locator("canvas.pad")).to_be_visible()
    lose_connection(page)
    draw_unsent(page, SEVEN, ONE)
    return page


def test_unsent_drawings_are_counted_in_every_view_and_sent_from_any(away: Page, sqlite_url: str) -> None:
    unsent(away).to_have_text("2 not stored yet")
    for view in ("results", "results/1", "review", "stats"):
        go(away, f"#/{view}")
        expect(away.locator("nav a[aria-current]")).to_have_attribute("href", f"#/{view.partition('/')[0]}")
        unsent(away).to_be_visible()
        expect(away.get_by_text("Your 2 drawings are kept and will be stored.")).to_be_visible()
    go(away, "#/results")
    away.reload()
    unsent(away).to_have_text("2 not stored yet")
    assert stored_digits(sqlite_url) == []
    reconnect(away)
    away.get_by_text("Your 2 drawings").locator("..").get_by_role("button", name="Try again now").click()
    unsent(away).to_be_empty()
    assert stored_digits(sqlite_url) == ["7", "1"]


def test_count_in_the_header_does_not_move_the_pad(away: Page) -> None:
    unsent(away).to_have_text("2 not stored yet")
    for width, height in [(320, 568), (390, 664), (1200, 850)]:
        away.set_viewport_size({"width": width, "height": height})
        place = away.locator("canvas.pad").bounding_box()
        away.locator(".unsent").evaluate("count => { count.hidden = true; }")
        assert away.locator("canvas.pad").bounding_box() == place
        away.locator(".unsent").evaluate("count => { count.hidden = false; }")
        assert away.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("runs_unload_handlers", [True, False], ids=["closed", "crashed"])
def test_drawings_of_a_lost_tab_are_sent_by_the_next(
    away: Page, site: str, sqlite_url: str, runs_unload_handlers: bool
) -> None:
    context = away.context
    with away.expect_event("close"):
        away.close(run_before_unload=runs_unload_handlers)
    context.unroute_all()
    context.new_page().goto(f"{site}#key={KEY}")
    expect_stored(sqlite_url, ["7", "1"])


def test_several_tabs_store_each_item_once(away: Page, site: str, service: Service, sqlite_url: str) -> None:
    classified: list[str] = []
    tabs = [away.context.new_page() for _ in range(3)]
    for tab in tabs:
        tab.goto(f"{site}#key={KEY}")
        tab.bring_to_front()
        tab.evaluate(f"() => {{ {DECIDE} }}")
    wait_until_decided(tabs)
    assert [tab.locator(".unsent").inner_text() for tab in tabs] == ["", "", ""], "an open tab keeps its drawings"
    away.close()
    reconnect(tabs[0])
    for tab in tabs:
        tab.on("request", lambda request: request.url.endswith("/classify") and classified.append(request.url))
        tab.evaluate(f"() => {{ document.dispatchEvent(new Event('visibilitychange')); {DECIDE} }}")
    expect_stored(sqlite_url, ["7", "1"])
    wait_until_decided(tabs)
    assert len(classified) == 2


def wait_until_decided(tabs: list[Page]) -> None:
    for tab in tabs:
        tab.evaluate("window.decided")
        let_act(tab)


def test_leaving_with_something_unsent_warns(away: Page, sqlite_url: str) -> None:
    expect_warning(away)
    reconnect(away)
    away.get_by_role("button", name="Try again now").click()
    expect_stored(sqlite_url, ["7", "1"])
    unsent(away).to_be_empty()
    close_unasked(away)


def test_drawing_is_sent_although_its_tab_is_left_within_the_pause(page: Page, site: str, sqlite_url: str) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    by_mouse(page, SEVEN)
    page.goto("about:blank")
    page.goto(f"{site}#/results")
    expect_stored(sqlite_url, ["7"])


@pytest.mark.parametrize("spoil", [FORBID_STORAGE, FILL_STORAGE], ids=["forbidden", "full"])
def test_page_works_without_storage_and_says_what_it_means(
    browser: Browser, site: str, sqlite_url: str, spoil: str
) -> None:
    with open_page(browser, site, script=spoil) as page:
        expect(page.locator("canvas.pad")).to_be_visible()
        lose_connection(page)
        draw_unsent(page, SEVEN)
        expect(page.get_by_text("Your drawing is kept until this tab is closed, and will be stored.")).to_be_visible()
        reconnect(page)
        page.get_by_role("button", name="Try again now").click()
        expect(page.locator(".state")).to_contain_text("number 1.")
        page.keyboard.press("y")
        expect(page.locator(".state")).to_have_text("Confirmed: it is a 7.")
    assert stored_digits(sqlite_url) == ["7"]


def test_drawing_that_may_be_stored_is_not_sent_after_a_day_without_asking(
    page: Page, site: str, sqlite_url: str
) -> None:
    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    expect(page.locator("canvas.pad")).to_be_visible()
    page.route("**/api/classify", lose_the_answer)
    draw_unsent(page, SEVEN)
    page.evaluate(
        """day => {
          const [name] = Object.keys(localStorage);
          localStorage.setItem(name, JSON.stringify({...JSON.parse(localStorage[name]), at: day, claim: null}));
        }""",
        (time.time() - 25 * 3600) * 1000,
    )
    page.unroute_all()
    page.context.new_page().goto(f"{site}#key={KEY}")
    other = page.context.pages[1]
    expect(other.get_by_text("This has waited for more than a day, and may be stored already.")).to_be_visible()
    assert stored_digits(sqlite_url) == ["7"]
    other.get_by_role("button", name="Discard it").click()
    unsent(other).to_be_empty()
    assert stored_digits(sqlite_url) == ["7"]


def test_labels_of_all_views_wait_in_one_outbox(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 2)
    go(page, "#/results")
    row(page, 1).get_by_role("button", name="Label").click()
    page.route("**/label", lambda route: route.abort())
    row(page, 1).get_by_role("button", name="It is a 4").click()
    expect(page.get_by_text("Your label is kept and will be stored.")).to_be_visible()
    go(page, "#/results/2")
    expect(page.get_by_text("No labels yet.")).to_be_visible()
    page.keyboard.press("5")
    unsent(page).to_have_text("2 not stored yet")
    go(page, "#/stats")
    page.reload()
    expect(page.get_by_text("Your 2 labels are kept and will be stored.")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Try again now").click()
    unsent(page).to_be_empty()
    assert labels(sqlite_url) == [(1, "4"), (2, "5")]


def test_items_of_an_older_version_of_the_page_are_sent(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    given = json.dumps([{"requestId": "of-an-older-page", "id": 1, "label": "8"}])
    for name in ("pixelwise-words", "pixelwise-labels", "pixelwise-corrections"):
        page.evaluate("([name, given]) => sessionStorage.setItem(name, given)", [name, given])
        page.reload()
        wait_until(lambda: page.evaluate("localStorage.length + sessionStorage.length") == 1, "all is sent")
    assert labels(sqlite_url)[-1] == (1, "8")
