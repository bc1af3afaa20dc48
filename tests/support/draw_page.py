"""Draw on the page, and read what is stored."""

from playwright.sync_api import Page, expect

from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.service import rows


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
