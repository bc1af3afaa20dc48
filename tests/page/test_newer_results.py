"""Newer predictions in the list of results: no row moves while it is used."""

from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.support.results_page import Held, classify_drawings, go, row
from tests.support.service_process import Service

# What a reader does in the list.
USES: Final[dict[str, Callable[[Page], None]]] = {
    "open a panel": lambda page: row(page, 20).get_by_role("button", name="Label").click(),
    "press": lambda page: (row(page, 20).hover(), page.mouse.down())[1],
    "focus": lambda page: row(page, 20).get_by_role("link").focus(),
    "scroll": lambda page: page.evaluate("scrollTo(0, 50)"),
}


def test_newer_predictions_are_shown_only_on_request(page: Page, service: Service) -> None:
    page.clock.install()
    classify_drawings(service, 3)
    go(page, "#/results")
    page.clock.run_for(1000)
    expect(page.locator(".result-row")).to_have_count(3)
    classify_drawings(service, 2)
    page.clock.run_for(16000)
    newer = page.get_by_role("button", name="Show 2 newer")
    expect(newer).to_be_visible()
    expect(page.locator(".result-row")).to_have_count(3)
    newer.click()
    expect(page.locator(".result-row")).to_have_count(5)
    expect(page.locator(".result-row").first.get_by_role("link")).to_have_attribute("href", "#/results/5")
    expect(row(page, 5).get_by_role("link")).to_be_focused()
    # Opening the list again shows the newest rows at once.
    go(page, "#/draw")
    expect(page.locator(".result-row")).to_have_count(0)
    classify_drawings(service, 1)
    go(page, "#/results")
    expect(page.locator(".result-row").first.get_by_role("link")).to_have_attribute("href", "#/results/6")


@pytest.mark.parametrize("use", USES)
def test_rows_that_are_used_do_not_move_when_the_list_has_come_back(page: Page, service: Service, use: str) -> None:
    classify_drawings(service, 20)
    go(page, "#/results")
    expect(page.locator(".result-row")).to_have_count(20)
    go(page, "#/draw")
    expect(page.locator("canvas.pad")).to_be_visible()
    classify_drawings(service, 1)
    held = Held(page, "**/api/results?*", "GET")
    go(page, "#/results")
    request = held.wait()
    USES[use](page)
    before = row(page, 20).bounding_box()
    with page.expect_event("requestfinished"):
        request.continue_()
    newer = page.get_by_role("button", name="Show 1 newer")
    expect(newer).to_be_visible()
    assert row(page, 20).bounding_box() == before
    page.mouse.up()
    newer.click()
    expect(page.locator(".result-row")).to_have_count(21)


def test_panel_that_was_left_open_does_not_move_when_the_list_comes_back(page: Page, service: Service) -> None:
    classify_drawings(service, 2)
    go(page, "#/results")
    row(page, 2).get_by_role("button", name="Label").click()
    go(page, "#/draw")
    expect(page.locator("canvas.pad")).to_be_visible()
    classify_drawings(service, 1)
    with page.expect_response("**/api/results?*"):
        go(page, "#/results")
    expect(page.get_by_role("button", name="Show 1 newer")).to_be_visible()
    expect(row(page, 3)).to_have_count(0)
