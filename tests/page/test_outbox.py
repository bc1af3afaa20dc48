"""What is not stored yet: sent from every view, kept when the tab is closed, and stored once by several tabs."""

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from tests.support.browser import open_page, reload
from tests.support.digit_strokes import ONE, SEVEN, by_mouse
from tests.support.draw_page import stored_digits
from tests.support.results_page import classify_drawings, go, labels, lose_on_the_way_to_the_page, row, send
from tests.support.service import KEY
from tests.support.service_process import Service, wait_until

API = "**/api/**"
FORBID_STORAGE = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, {get() { throw new DOMException("", "SecurityError"); }});
}
// As in Firefox.
window.BroadcastChannel = class { constructor() { throw new DOMException("", "SecurityError"); } };
"""
FILL_STORAGE = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); };"


def expect_stored(database_url: str, expected: list[str]) -> None:
    wait_until(lambda: len(stored_digits(database_url)) >= len(expected), f"{expected} is stored")
    assert stored_digits(database_url) == expected


def unsent(page: Page) -> object:
    return expect(page.locator(".unsent"))


def drop(route: Route) -> None:
    route.abort()


def fail(route: Route) -> None:
    route.fulfill(status=503, content_type="application/problem+json", body="{}")


def lose_connection(page: Page) -> None:
    page.context.route(API, drop)


def reconnect(page: Page) -> None:
    page.context.unroute_all()


def draw(page: Page, *drawings: list[list[tuple[float, float]]]) -> None:
    for strokes in drawings:
        by_mouse(page, strokes)
        page.keyboard.press("Enter")
    expect(page.locator(".state")).to_have_text("Not stored yet.")


@pytest.fixture
def away(page: Page) -> Page:
    """A page with two drawings that it could not store."""
    expect(page.locator("canvas.pad")).to_be_visible()
    lose_connection(page)
    draw(page, SEVEN, ONE)
    return page


def test_unsent_drawings_are_counted_in_every_view_and_sent_from_any(away: Page, sqlite_url: str) -> None:
    unsent(away).to_have_text("2 not stored yet")
    for view in ("results", "results/1", "review", "stats"):
        go(away, f"#/{view}")
        expect(away.locator("nav a[aria-current]")).to_have_attribute("href", f"#/{view.partition('/')[0]}")
        unsent(away).to_be_visible()
        expect(away.get_by_text("Your 2 drawings are kept and will be stored.")).to_be_visible()
    go(away, "#/results")
    reload(away)
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
    away.on("dialog", lambda dialog: dialog.accept())
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
    away.wait_for_timeout(1500)
    assert [tab.locator(".unsent").inner_text() for tab in tabs] == ["", "", ""], "an open tab keeps its drawings"
    away.close()
    reconnect(tabs[0])
    for tab in tabs:
        tab.on("request", lambda request: request.url.endswith("/classify") and classified.append(request.url))
        tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect_stored(sqlite_url, ["7", "1"])
    tabs[0].wait_for_timeout(300)
    assert len(classified) == 2


@pytest.mark.parametrize(
    ("lose", "key", "refusal"),
    [
        pytest.param(fail, "", "This needs the API key. Your 2 drawings are kept", id="no key"),
        pytest.param(fail, "wrong", "This API key is wrong. Your 2 drawings are kept", id="wrong key"),
        pytest.param(drop, "wrong", "This was sent with another key, and may be stored", id="another key"),
    ],
)
def test_tab_that_may_not_send_leaves_the_drawings_to_one_that_may(
    page: Page, site: str, sqlite_url: str, lose: Callable[[Route], None], key: str, refusal: str
) -> None:
    other = page.context.new_page()
    other.goto(f"{site}#key={key}")
    page.route(API, lose)
    draw(page, SEVEN, ONE)
    page.goto("about:blank")
    expect(other.get_by_text(refusal)).to_be_visible()
    unsent(other).to_have_text("2 not stored yet")
    assert stored_digits(sqlite_url) == []
    page.unroute_all()
    page.goto(site)
    expect_stored(sqlite_url, ["7", "1"])
    unsent(other).to_be_empty()
    expect(other.get_by_text(refusal)).to_be_hidden()


def test_leaving_with_something_unsent_warns(away: Page, sqlite_url: str) -> None:
    warned: list[str] = []

    def stay(dialog: Dialog) -> None:
        warned.append(dialog.type)
        dialog.dismiss()

    away.on("dialog", stay)
    with away.expect_event("dialog"):
        away.close(run_before_unload=True)
    assert warned == ["beforeunload"]
    reconnect(away)
    away.get_by_role("button", name="Try again now").click()
    expect_stored(sqlite_url, ["7", "1"])
    unsent(away).to_be_empty()
    with away.expect_event("close"):
        away.close(run_before_unload=True)
    assert warned == ["beforeunload"]


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
        draw(page, SEVEN)
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
    draw(page, SEVEN)
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


@pytest.fixture
def other_key(page: Page, service: Service) -> Page:
    """A page whose key was replaced after the answer to a drawing was lost."""
    page.route("**/api/classify", lose_on_the_way_to_the_page)
    draw(page, SEVEN)
    enter_key(page, send(service, "POST", "/keys", {"name": "other", "scopes": ["classify"]})["key"])
    expect(page.get_by_text("This was sent with another key, and may be stored already.")).to_be_visible()
    page.unroute_all()
    return page


def enter_key(page: Page, key: str) -> None:
    page.locator("#key-button").click()
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Use this key").click()


def test_drawing_that_may_be_stored_is_not_sent_with_another_key_without_asking(
    other_key: Page, sqlite_url: str
) -> None:
    other_key.wait_for_timeout(200)
    assert stored_digits(sqlite_url) == ["7"]
    assert KEY not in str(other_key.evaluate("Object.values(localStorage)"))
    other_key.get_by_role("button", name="Send it anyway").click()
    unsent(other_key).to_be_empty()
    assert stored_digits(sqlite_url) == ["7", "7"]


def test_drawing_that_may_be_stored_is_sent_once_its_key_is_back(other_key: Page, sqlite_url: str) -> None:
    enter_key(other_key, KEY)
    unsent(other_key).to_be_empty()
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
    reload(page)
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
        reload(page)
        wait_until(lambda: page.evaluate("localStorage.length + sessionStorage.length") == 1, "all is sent")
    assert labels(sqlite_url)[-1] == (1, "8")
