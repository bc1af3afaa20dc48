"""Fields of a form that are typed: one query and one step back for a value that is whole."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.results_page import go


@pytest.mark.parametrize(
    ("view", "field", "typed", "address"),
    [
        ("results", "From", "03052026", "#/results?since=2026-03-05"),
        ("results", "Maximum confidence in percent", "97", "#/results?max_confidence=0.97"),
        ("results", "Notes contain", "with a bar", "#/results?notes_contains=with+a+bar"),
        (
            "stats?since=2026-03-01",
            "Before (UTC)",
            "03052026\t1030PM",
            "#/stats?since=2026-03-01T00:00&until=2026-03-05T22:30",
        ),
    ],
)
@pytest.mark.parametrize("end", ["Enter", "Tab", "pause"])
def test_typed_filter_is_one_query_and_one_step_back(
    page: Page, view: str, field: str, typed: str, address: str, end: str
) -> None:
    asked: list[str] = []
    go(page, f"#/{view}")
    box = page.get_by_label(field, exact=True)
    expect(box).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: asked.append(request.url))
    before = page.evaluate("history.length")
    box.focus()
    box.press_sequentially(typed)
    if end != "pause":
        page.keyboard.press(end)
    expect(page).to_have_url(re.compile(re.escape(address) + "$"))
    page.wait_for_load_state("networkidle")
    assert page.evaluate("history.length") == before + 1
    queries = [url for url in asked if re.search(r"/api/(results|stats)\?", url)]
    assert len(queries) == 1, queries
    # What is typed on belongs to the same step.
    page.go_back()
    expect(box).to_have_value("")


def test_filter_that_is_typed_on_is_one_step_back(page: Page) -> None:
    go(page, "#/results")
    box = page.get_by_label("Notes contain")
    before = page.evaluate("history.length")
    box.press_sequentially("with")
    box.press("Enter")
    expect(page).to_have_url(re.compile("notes_contains=with$"))
    box.press_sequentially(" a bar")
    expect(page).to_have_url(re.compile(r"notes_contains=with\+a\+bar$"))
    assert page.evaluate("history.length") == before + 1


def test_unfinished_filter_does_not_bring_the_view_back(page: Page) -> None:
    go(page, "#/results")
    page.get_by_label("Notes contain").press_sequentially("with")
    go(page, "#/stats")
    expect(page.get_by_role("heading", name="Stats")).to_be_visible()
    page.wait_for_timeout(1000)
    assert page.url.endswith("#/stats")
