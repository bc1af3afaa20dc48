"""Going from view to view."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_page, pause_clock

NEXT_STATUS = """() => {
  window.said = new Promise((done) => {
    new MutationObserver(() => done()).observe(document.querySelector("#connection"), {childList: true});
  });
}"""


def test_view_that_could_not_be_loaded_opens_when_the_browser_is_online(page: Page) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    page.context.set_offline(True)
    page.get_by_role("link", name="Stats").click()
    expect(page.get_by_text("This view opens when it can.")).to_be_visible()
    expect(page.locator("canvas.pad")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(".stats")).to_be_visible()
    expect(page.locator("#connection")).to_be_empty()


@pytest.mark.parametrize("way", ["click", "wait"])
def test_view_that_could_not_be_loaded_opens_after_a_click_or_some_seconds(page: Page, way: str) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    pause_clock(page)
    page.route("**/views/stats.js", lambda route: route.abort())
    page.get_by_role("link", name="Stats").click()
    expect(page.get_by_text("This view opens when it can.")).to_be_visible()
    if way == "wait":
        # The first retry fails, too; then the page says the same again.
        page.evaluate(NEXT_STATUS)
        page.clock.run_for(5000)
        page.evaluate("window.said")
    page.unroute_all()
    if way == "click":
        page.get_by_role("link", name="Stats").click()
    else:
        page.clock.run_for(5000)
    expect(page.locator(".stats")).to_be_visible()
    expect(page.locator("#connection")).to_be_empty()


def test_page_whose_first_files_are_missing_says_to_reload(page: Page) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    missing = page.get_by_role("main").get_by_text("If nothing appears, reload the page.")
    page.route("**/lib/outbox.js", lambda route: route.abort())
    page.reload(wait_until="domcontentloaded")
    expect(missing).to_be_visible()
    page.unroute_all()
    page.reload()
    expect(page.locator("canvas.pad")).to_be_visible()
    expect(missing).to_have_count(0)


def test_page_without_javascript_says_that_it_needs_it_and_not_to_reload(browser: Browser, site: str) -> None:
    with open_page(browser, site, java_script_enabled=False) as page:
        expect(page.locator("noscript p")).to_be_visible()
        expect(page.get_by_text("If nothing appears, reload the page.")).to_have_css("display", "none")
