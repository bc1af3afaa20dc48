"""The view that reviews drawings, as tests read and use it."""

from playwright.sync_api import Page, expect

from tests.support.service import rows
from tests.support.waiting import wait_until


def number(page: Page) -> int:
    """Wait until a drawing is shown, and return its number."""
    link = page.locator(".offered-drawing a")
    expect(link).to_be_visible()
    return int(link.inner_text().removeprefix("Number "))


def press(page: Page, key: str) -> int:
    """Press a key, and return the number of the drawing that was shown."""
    shown = number(page)
    page.keyboard.press(key)
    return shown


def labels(database_url: str) -> list[tuple[int, str, str]]:
    """Return every stored label: prediction, label and source."""
    given = rows(database_url, "SELECT prediction_id, label, source FROM labels ORDER BY id")
    return [(row["prediction_id"], row["label"], row["source"]) for row in given]


def expect_labels(database_url: str, expected: list[tuple[int, str, str]]) -> None:
    """Wait for the expected number of stored labels, and compare them."""
    wait_until(lambda: len(labels(database_url)) >= len(expected), f"{len(expected)} labels are stored")
    assert labels(database_url) == expected


def expect_drawing(page: Page, *, other_than: int = 0) -> None:
    """Wait until a drawing and its pictures are shown."""
    expect(page.locator(".offered-drawing a")).not_to_have_text(f"Number {other_than}")
    expect(page.locator(".offered-drawing a")).to_be_visible()
    expect(page.locator(".offered-drawing img")).to_have_js_property("naturalWidth", 28)
    expect(page.locator(".scores img")).to_have_js_property("naturalWidth", 28)
