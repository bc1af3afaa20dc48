"""Find what the page's stats show."""

from playwright.sync_api import Locator, Page, expect


def wait_until_loaded(page: Page) -> None:
    """Wait until every section shows its data."""
    expect(page.get_by_role("status").filter(has_text="As of")).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)


def section(page: Page, title: str) -> Locator:
    """Return a section by its heading."""
    return page.get_by_role("region", name=title, exact=True)
