"""The page shows what the key may do, and nothing else."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import SharedTab
from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.draw_page import draw_seven
from tests.support.results_page import classify_drawings, go, labels, send
from tests.support.service import KEY, rows
from tests.support.service_process import Service, serving
from tests.support.waiting import wait_until

NOT_ALLOWED = "This key may not do that."
WRONG = "This API key is wrong."


def new_key(service: Service, *scopes: str) -> str:
    key: str = send(service, "POST", "/keys", {"name": "-".join(scopes), "scopes": scopes})["key"]
    return key


def draw(page: Page) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")


def visible_buttons(page: Page, names: Sequence[str]) -> set[str]:
    return {name for name in names if page.get_by_role("button", name=name, exact=True).is_visible()}


def test_key_that_classifies_only_stores_drawings_and_offers_no_more(
    shared_tab: SharedTab, service: Service, site: str, sqlite_url: str
) -> None:
    with shared_tab.open(site, key=new_key(service, "classify")) as page:
        expect(page.get_by_role("link", name="Review")).to_be_hidden()
        draw(page)
        expect(page.locator(".state")).to_have_text("Stored as number 1.")
        assert visible_buttons(page, ["Right", "It is a 7", "Delete"]) == set()
        page.keyboard.press("y")
        page.keyboard.press("4")
        expect(page.locator(".unsent")).to_be_empty()
        page.get_by_role("link", name="number 1").click()
        expect(page.locator(".pictures")).to_contain_text("This key may not see drawings.")
        assert visible_buttons(page, ["Write notes", "Delete …"]) == set()
    (row,) = rows(sqlite_url, "SELECT client FROM predictions WHERE id = 1")
    assert row["client"] == "classify"
    assert rows(sqlite_url, "SELECT id FROM labels") == []


def test_key_that_reads_only_is_told_so_before_it_draws(shared_tab: SharedTab, service: Service, site: str) -> None:
    classify_drawings(service, 2)
    with shared_tab.open(site, key=new_key(service, "read")) as page:
        expect(page.locator(".draw .locked")).to_contain_text("This key may not read drawings.")
        draw(page)
        expect(page.locator(".draw .notice:not(:empty)")).to_contain_text(f"{NOT_ALLOWED} Your drawing is kept")
        page.get_by_role("link", name="Results").click()
        expect(page.locator(".result-row img").first).to_have_attribute("src", re.compile("^blob:"))


def test_key_with_another_scope_stores_what_waited(
    shared_tab: SharedTab, service: Service, site: str, sqlite_url: str
) -> None:
    with shared_tab.open(site, key=new_key(service, "read")) as page:
        draw(page)
        expect(page.locator(".draw .notice:not(:empty)")).to_contain_text(NOT_ALLOWED)
        page.locator(".notice").get_by_role("button", name="Enter a key").click()
        page.get_by_label("Key", exact=True).fill(new_key(service, "classify", "label"))
        page.keyboard.press("Enter")
        expect(page.locator(".state")).to_contain_text("Stored as number")
        expect(page.get_by_role("button", name="Right", exact=True)).to_be_visible()
    (row,) = rows(sqlite_url, "SELECT client FROM predictions WHERE client != 'built-in'")
    assert row["client"] == "classify-label"


def test_results_keep_saying_that_the_key_sees_no_drawings(shared_tab: SharedTab, service: Service, site: str) -> None:
    classify_drawings(service, 1)
    with shared_tab.open(site, key=new_key(service, "label")) as page:
        go(page, "#/results")
        expect(page.get_by_text("This key may not see drawings.")).to_be_visible()
        go(page, "#/draw")
        expect(page.locator("canvas.pad")).to_be_visible()
        go(page, "#/results")
        expect(page.locator(".result-row")).to_be_visible()
        expect(page.get_by_text("This key may not see drawings.")).to_be_visible()


@pytest.mark.parametrize("scopes", [("classify", "read"), ("label",)])
def test_review_says_that_the_key_is_not_enough(
    shared_tab: SharedTab, service: Service, site: str, scopes: tuple[str, ...]
) -> None:
    classify_drawings(service, 1)
    with shared_tab.open(site, key=new_key(service, *scopes)) as page:
        go(page, "#/review")
        expect(page.get_by_role("main")).to_contain_text(NOT_ALLOWED)
        expect(page.get_by_role("button", name="Enter a key")).to_be_visible()


def test_key_that_labels_and_reads_reviews(shared_tab: SharedTab, service: Service, site: str, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    with shared_tab.open(site, key=new_key(service, "label", "read")) as page:
        go(page, "#/review")
        page.get_by_role("button", name="It is a 7").click()
        expect(page.locator(".unsent")).to_be_empty()
        expect(page.get_by_role("main")).to_contain_text("Nothing to review")
    (row,) = rows(sqlite_url, "SELECT label FROM labels")
    assert row["label"] == "7"


def test_key_that_may_not_read_stores_a_label_whose_connection_was_lost(
    shared_tab: SharedTab, sqlite_url: str, tmp_path: Path
) -> None:
    with serving(sqlite_url, tmp_path, PUBLIC_RESULTS="false") as service:
        key = new_key(service, "classify", "label")
        with shared_tab.open(f"http://127.0.0.1:{service.port}/", key=key) as page:
            draw_seven(page)
            page.route("**/label", lambda route: route.abort())
            page.keyboard.press("y")
            expect(page.get_by_text("Your label is kept and will be stored.")).to_be_visible()
            page.unroute_all()
            page.get_by_role("button", name="Try again now").click()
            expect(page.locator(".state")).to_have_text("Confirmed: it is a 7.")
    assert labels(sqlite_url) == [(1, "7")]


def test_wrong_key_is_noticed_when_the_page_opens(shared_tab: SharedTab, site: str) -> None:
    with shared_tab.open(site, key="a-key-of-another-service") as page:
        expect(page.get_by_role("button", name="The key is wrong; enter another one")).to_be_visible()


def test_revoked_key_is_called_wrong_by_every_view(shared_tab: SharedTab, service: Service, site: str) -> None:
    classify_drawings(service, 1)
    with shared_tab.open(site, key=new_key(service, "read")) as page:
        expect(page.locator(".draw .locked")).to_contain_text("This key may not read drawings.")
        revoked = page.request.post(f"{site}keys/read/revoke", headers={"X-API-Key": KEY})
        assert revoked.status == 204
        for _ in range(2):
            go(page, "#/results")
            expect(page.locator(".locked:visible")).to_contain_text(WRONG)
            go(page, "#/results/1")
            expect(page.locator(".pictures")).to_contain_text(WRONG)
        expect(page.get_by_role("button", name="The key is wrong; enter another one")).to_be_visible()


def test_scopes_are_asked_for_again_after_an_outage(shared_tab: SharedTab, service: Service, site: str) -> None:
    key = new_key(service, "classify")
    with shared_tab.open(site, key=None) as page:
        expect(page.locator("canvas.pad")).to_be_visible()
        page.clock.install()
        page.route("**/keys/current", lambda route: route.abort(), times=1)
        with page.expect_event("requestfailed"):
            go(page, f"#key={key}")
        review = page.get_by_role("link", name="Review")
        expect(review).to_be_visible()
        page.clock.run_for(5000)
        expect(review).to_be_hidden()


def test_scopes_are_asked_for_again_once_and_when_the_service_says(shared_tab: SharedTab, site: str) -> None:
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "60"}, content_type="text/html", body="")

    with shared_tab.open(site, key=None) as page:
        expect(page.locator("canvas.pad")).to_be_visible()
        page.clock.install()
        page.route("**/keys/current", refuse)
        for _ in range(3):
            with page.expect_response("**/keys/current"):
                go(page, f"#key={KEY}")
        page.clock.run_for(50_000)
        assert len(asked) == 3
        wait_until(lambda: page.clock.run_for(5000) or len(asked) > 3, "the scopes are asked for again")
        page.clock.run_for(30_000)
        assert len(asked) == 4


def test_filter_by_model_version_is_there_once_the_key_is(
    shared_tab: SharedTab, sqlite_url: str, tmp_path: Path
) -> None:
    with (
        serving(sqlite_url, tmp_path, PUBLIC_RESULTS="false") as service,
        shared_tab.open(f"http://127.0.0.1:{service.port}/", key=None) as page,
    ):
        go(page, "#/results")
        versions = page.get_by_label("Model version").locator("option")
        expect(page.locator(".overlay .notice")).to_contain_text("This needs the API key.")
        expect(versions).to_have_text(["any"])
        go(page, f"#key={KEY}")
        go(page, "#/results")
        expect(versions).to_have_count(2)
