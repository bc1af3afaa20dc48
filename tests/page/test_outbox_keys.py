"""What is not stored yet, with several keys: which tab sends it, and when the reader is asked."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.digit_strokes import ONE, SEVEN
from tests.support.draw_page import draw_unsent, expect_stored, stored_digits, unsent
from tests.support.results_page import lose_on_the_way_to_the_page, send
from tests.support.service import KEY
from tests.support.service_process import Service
from tests.support.waiting import wait_until

API = "**/api/**"


def drop(route: Route) -> None:
    route.abort()


def fail(route: Route) -> None:
    route.fulfill(status=503, content_type="application/problem+json", body="{}")


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
    draw_unsent(page, SEVEN, ONE)
    page.goto("about:blank")
    expect(other.get_by_text(refusal)).to_be_visible()
    unsent(other).to_have_text("2 not stored yet")
    assert stored_digits(sqlite_url) == []
    page.unroute_all()
    page.goto(site)
    expect_stored(sqlite_url, ["7", "1"])
    unsent(other).to_be_empty()
    expect(other.get_by_text(refusal)).to_be_hidden()


def test_drawing_that_waited_behind_one_of_another_tab_is_sent(
    page: Page, site: str, service: Service, sqlite_url: str
) -> None:
    key = send(service, "POST", "/keys", {"name": "behind", "scopes": ["classify"]})["key"]
    other = page.context.new_page()
    other.goto(f"{site}#key={key}")
    page.route(API, drop)
    draw_unsent(page, SEVEN)
    page.goto("about:blank")
    refusal = other.get_by_text("This was sent with another key, and may be stored already.")
    expect(refusal).to_be_visible()
    draw_unsent(other, ONE)
    page.unroute_all()
    page.goto(site)
    unsent(other).to_be_empty()
    expect(refusal).to_be_hidden()
    wait_until(lambda: sorted(stored_digits(sqlite_url)) == ["1", "7"], "both are stored")


@pytest.fixture
def other_key(page: Page, service: Service) -> Page:
    """A page whose key was replaced after the answer to a drawing was lost."""
    page.route("**/api/classify", lose_on_the_way_to_the_page)
    draw_unsent(page, SEVEN)
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
    sent: list[str] = []
    other_key.on("request", lambda request: request.url.endswith("/classify") and sent.append(request.url))
    assert stored_digits(sqlite_url) == ["7"]
    assert KEY not in str(other_key.evaluate("Object.values(localStorage)"))
    other_key.get_by_role("button", name="Send it anyway").click()
    unsent(other_key).to_be_empty()
    assert len(sent) == 1
    assert stored_digits(sqlite_url) == ["7", "7"]


def test_drawing_that_may_be_stored_is_sent_once_its_key_is_back(other_key: Page, sqlite_url: str) -> None:
    enter_key(other_key, KEY)
    unsent(other_key).to_be_empty()
    assert stored_digits(sqlite_url) == ["7"]
