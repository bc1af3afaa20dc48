"""Fields of a form that are typed: one query and one step back for a value that is whole."""

import re
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_page
from tests.support.results_page import go

# The view, the field, what is typed, how typing ends, and the address.
TYPED: Final = [
    ("results", "From", "03052026", "pause", "#/results?since=2026-03-05"),
    ("results", "Maximum confidence in percent", "97", "Tab", "#/results?max_confidence=0.97"),
    ("results", "Notes contain", "with a bar", "Enter", "#/results?notes_contains=with+a+bar"),
    (
        *("stats?since=2026-03-01", "Before (UTC)", "03052026\t1030PM", "Tab"),
        "#/stats?since=2026-03-01T00:00&until=2026-03-05T22:30",
    ),
]

QUERY: Final = re.compile(r"/api/(results|stats)\?")


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """The page in a tab of its own, since a tab remembers no more than fifty steps."""
    with open_page(browser, site) as page:
        yield page


def test_typed_filter_is_one_query_and_one_step_back(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for view, field, typed, end, address in TYPED:
        # From another view, so that going there is a step.
        go(page, "#/draw")
        with page.expect_response(QUERY):
            go(page, f"#/{view}")
        box = page.get_by_label(field, exact=True)
        expect(box).to_be_visible()
        asked.clear()
        before = page.evaluate("history.length")
        with page.expect_response(QUERY):
            box.focus()
            box.press_sequentially(typed)
            if end != "pause":
                page.keyboard.press(end)
        expect(page).to_have_url(re.compile(re.escape(address) + "$"))
        assert page.evaluate("history.length") == before + 1
        queries = list(filter(QUERY.search, asked))
        assert len(queries) == 1, queries
        page.go_back()
        expect(box).to_have_value("")


def test_filter_that_is_typed_on_is_one_step_and_left_with_its_view(page: Page) -> None:
    go(page, "#/results")
    box = page.get_by_label("Notes contain")
    before = page.evaluate("history.length")
    box.press_sequentially("with")
    box.press("Enter")
    expect(page).to_have_url(re.compile("notes_contains=with$"))
    box.press_sequentially(" a bar")
    expect(page).to_have_url(re.compile(r"notes_contains=with\+a\+bar$"))
    assert page.evaluate("history.length") == before + 1
    # An unfinished one does not bring the view back.
    box.press_sequentially("red")
    go(page, "#/stats")
    expect(page.get_by_role("heading", name="Stats")).to_be_visible()
    page.wait_for_timeout(1000)
    assert page.url.endswith("#/stats")
