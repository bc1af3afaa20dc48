"""Drawings that show no digit: the page says so, takes one tap to confirm it, and offers them in every view."""

import re
from typing import Any, Final

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.draw_page import draw_seven
from tests.support.results_page import classify_drawings, go, labels, row
from tests.support.review_rows import add_drawings
from tests.support.service import execute
from tests.support.service_process import Service
from tests.support.stats_page import section, wait_until_loaded
from tests.support.waiting import wait_until

CLASSIFY: Final = re.compile(r"/api/classify(/preview)?$")


def answer_with(page: Page, changes: dict[str, Any], *, without: str = "") -> None:
    """Change what the model answers."""

    def change(route: Route) -> None:
        reply = route.fetch()
        body = {name: value for name, value in reply.json().items() if name != without}
        route.fulfill(response=reply, json={**body, **changes})

    page.route(CLASSIFY, change)


def test_drawing_that_is_no_digit_is_named_calmly_and_confirmed_with_one_tap(page: Page, sqlite_url: str) -> None:
    answer_with(page, {"not_a_digit": 0.93, "confidence": 0.312})
    draw_seven(page)
    said = "This does not look like a digit. Best guess: 7 (31.2 %)"
    expect(page.locator(".certainty")).to_have_text(said)
    expect(page.locator(".digit-read")).to_be_hidden()
    expect(page.locator("[aria-live]").filter(has_text=said)).to_have_count(1)

    page.get_by_role("button", name="Not a digit", exact=True).click()
    expect(page.locator(".state")).to_have_text("Confirmed: it is not a digit.")
    expect(page.get_by_role("button", name="It is not a digit")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="It is a 7").click()
    expect(page.locator(".state")).to_have_text("Thank you. Labelled as a 7.")
    page.keyboard.press("y")
    expect(page.locator(".state")).to_have_text("Confirmed: it is not a digit.")
    assert labels(sqlite_url) == [(1, "none"), (1, "7"), (1, "none")]


def test_longer_answer_and_the_labels_fit_on_the_smallest_phone(phone: Page) -> None:
    answer_with(phone, {"not_a_digit": 0.93, "confidence": 0.312})
    phone.set_viewport_size({"width": 320, "height": 568})
    draw_seven(phone)
    expect(phone.locator(".certainty")).to_be_in_viewport(ratio=1)
    for button in phone.get_by_role("group", name="What does the drawing show?").get_by_role("button").all():
        expect(button).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("share", [0.5, 0.0, None])
def test_drawing_that_may_be_a_digit_is_read_as_one(page: Page, sqlite_url: str, share: float | None) -> None:
    answer_with(page, {"not_a_digit": share})
    draw_seven(page)
    expect(page.locator(".digit-read")).to_have_text("7")
    page.keyboard.press("y")
    expect(page.locator(".state")).to_have_text("Confirmed: it is a 7.")
    assert labels(sqlite_url) == [(1, "7")]


def test_service_that_knows_no_such_answer_works_as_before(page: Page, sqlite_url: str) -> None:
    answer_with(page, {}, without="not_a_digit")
    draw_seven(page)
    expect(page.locator(".digit-read")).to_have_text("7")
    expect(page.locator(".certainty")).to_contain_text("almost certain, 99.")


@pytest.fixture
def three(service: Service, sqlite_url: str) -> None:
    """Three predictions of a 7: one of them is no digit, one has no answer to that."""
    classify_drawings(service, 3)
    execute(
        sqlite_url,
        "UPDATE predictions SET prediction = '7', confidence = 0.9, not_a_digit = NULL",
        "UPDATE predictions SET not_a_digit = 0.93 WHERE id = 1",
        "UPDATE predictions SET not_a_digit = 0.02 WHERE id = 2",
    )


def test_results_say_and_find_what_is_no_digit(page: Page, three: None, sqlite_url: str) -> None:
    go(page, "#/results")
    expect(row(page, 1)).to_contain_text("not a digit?")
    expect(row(page, 1).get_by_role("link")).to_have_accessible_name("Prediction 1: not a digit, best guess 7, 90.0 %")
    expect(row(page, 2)).to_contain_text("unlabelled")
    page.get_by_label("Looks like").select_option("not a digit")
    expect(page.locator(".result-row")).to_have_count(1)
    assert page.url.endswith("#/results?min_not_a_digit=0.5")
    row(page, 1).get_by_role("button", name="Label").click()
    page.keyboard.press("y")
    expect(row(page, 1)).to_contain_text("✓ not a digit")
    row(page, 1).get_by_role("link").click()
    expect(page.locator(".read")).to_have_text("This does not look like a digit. Best guess: 7 (90.0 %)")
    expect(page.locator(".details")).to_contain_text("93.0 %")
    page.keyboard.press("7")
    expect(page.locator(".state")).to_have_text("✗ was a 7")
    page.keyboard.press("y")
    expect(page.locator(".state")).to_have_text("✓ not a digit")
    assert labels(sqlite_url) == [(1, "none"), (1, "7"), (1, "none")]


def test_stats_show_the_share_that_is_no_digit(page: Page, three: None) -> None:
    go(page, "#/stats?last=all")
    wait_until_loaded(page)
    tile = section(page, "Totals").locator(".tiles > div").filter(has_text="Not a digit")
    expect(tile.locator(".value")).to_have_text("50.0 %")
    over_time = section(page, "Over time").locator("figure").filter(has_text="Share that is not a digit")
    expect(over_time.locator("figcaption p")).to_contain_text("50.0 % on ")
    tile.get_by_role("link", name="Show them").click()
    expect(page.locator(".result-row")).to_have_count(1)


def test_review_offers_what_may_be_no_digit(page: Page, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 13)})
    execute(sqlite_url, "UPDATE predictions SET not_a_digit = 0.93 WHERE id IN (3, 4)")
    go(page, "#/review")
    expect(page.locator(".offered-drawing a")).to_be_visible()
    page.get_by_label("Drawings to review").select_option("not a digit?")
    expect(page.locator(".reason")).to_have_text("The model sees no digit here.")
    expect(page.locator(".certainty")).to_contain_text("This does not look like a digit. Best guess: 7")
    assert page.url.endswith("#/review?queue=not_a_digit")
    page.keyboard.press("y")
    expect(page.get_by_text("is labelled as not a digit; and so it was predicted.")).to_be_visible()
    expect(page.locator(".offered-drawing a")).to_be_visible()
    page.keyboard.press("5")
    expect(page.get_by_text("is labelled as a 5; the prediction was not a digit.")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    page.go_back()
    expect(page.locator(".reason")).not_to_have_text("The model sees no digit here.")
    wait_until(lambda: sorted(label for _, label in labels(sqlite_url)) == ["5", "none"], "both labels are stored")
