"""Draw on the page, and read what is stored."""

from playwright.sync_api import LocatorAssertions, Page, expect

from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.service import rows
from tests.support.waiting import wait_until


def draw_seven(page: Page, number: int = 1) -> None:
    """Draw a seven that is stored under this number."""
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text(f"number {number}.")


def stored_ids(database_url: str) -> list[int]:
    return [row["id"] for row in rows(database_url, "SELECT id FROM predictions ORDER BY id")]


def stored_digits(database_url: str) -> list[str]:
    """Return the stored predictions, oldest first."""
    return [row["prediction"] for row in rows(database_url, "SELECT prediction FROM predictions ORDER BY id")]


def expect_stored(database_url: str, expected: list[str]) -> None:
    """Wait until these are stored, in this order."""
    wait_until(lambda: len(stored_digits(database_url)) >= len(expected), f"{expected} is stored")
    assert stored_digits(database_url) == expected


def unsent(page: Page) -> LocatorAssertions:
    """Expect something of the count in the header."""
    return expect(page.locator(".unsent"))


def draw_unsent(page: Page, *drawings: list[list[tuple[float, float]]]) -> None:
    """Draw what cannot be stored at the moment."""
    for strokes in drawings:
        by_mouse(page, strokes)
        page.keyboard.press("Enter")
    expect(page.locator(".state")).to_have_text("Not stored yet.")
