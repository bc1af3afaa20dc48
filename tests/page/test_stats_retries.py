"""Retries in Stats: a notice stays until the last of several loads has ended."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import let_act


def abort(route: Route) -> None:
    route.abort()


def fail(route: Route) -> None:
    route.fulfill(status=500, content_type="application/problem+json", body="{}")


# All sections fail at once, or one fails on its own.
@pytest.mark.parametrize(("address", "failure"), [("**/api/stats**", abort), ("**/api/stats/drift*", fail)])
def test_notice_stays_while_a_newer_load_goes_on(page: Page, address: str, failure: Callable[[Route], None]) -> None:
    page.route(address, failure)
    page.get_by_role("link", name="Stats").click()
    notice = page.locator(".notice:not(:empty)")
    again = notice.get_by_role("button", name="Try again now")
    expect(again).to_be_visible()
    page.unroute_all()
    # None of these is answered.
    page.route(address, lambda _: None)
    with page.expect_request(address):
        again.click()
    # The newer load aborts the older one.
    with page.expect_request(address), page.expect_event("requestfailed"):
        page.get_by_role("button", name="Reload").click()
    let_act(page)
    assert notice.count() == 1
    page.unroute_all(behavior="ignoreErrors")
    page.get_by_role("button", name="Reload").click()
    expect(notice).to_have_count(0)
