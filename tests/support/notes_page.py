"""Write notes on the page."""

from typing import Final

from playwright.sync_api import Locator, Page

from tests.support.results_page import go, row

PREDICTION: Final = "**/api/results/1"


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Notes on prediction 1")


def begin(page: Page, text: str) -> None:
    """Write notes in the view of the prediction."""
    go(page, "#/results/1")
    page.get_by_role("button", name="Write notes").click()
    box(page).fill(text)


def begin_in_list(page: Page, text: str) -> None:
    go(page, "#/results")
    row(page, 1).get_by_role("button", name="Notes").click()
    box(page).fill(text)
