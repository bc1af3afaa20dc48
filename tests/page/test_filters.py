"""Fields of a form that are typed: one query and one step back for a value that is whole."""

import re
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_page, pause_clock
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
    pause_clock(page)
    box.press_sequentially("red")
    go(page, "#/stats")
    expect(page.get_by_role("heading", name="Stats")).to_be_visible()
    page.clock.run_for(1000)
    assert page.evaluate("location.hash") == "#/stats"


@pytest.mark.parametrize(
    ("view", "field", "typed", "corrected", "address"),
    [
        ("results", "Maximum confidence in percent", "150", "97", "#/results?max_confidence=0.97"),
        ("results", "Minimum confidence in percent", "-", "97", "#/results?min_confidence=0.97"),
        (
            "stats?since=2026-03-01",
            "Before (UTC)",
            "0305",
            "03052026\t1030PM",
            "#/stats?since=2026-03-01T00:00&until=2026-03-05T22:30",
        ),
    ],
)
def test_invalid_value_is_marked_and_lets_the_focus_go(
    page: Page, view: str, field: str, typed: str, corrected: str, address: str
) -> None:
    go(page, f"#/{view}")
    box = page.get_by_label(field, exact=True)
    expect(box).to_be_visible()
    pause_clock(page)
    box.press_sequentially(typed)
    box.blur()
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(box).to_have_attribute("title", re.compile(r"\w"))
    before = page.evaluate("location.href")
    other = page.get_by_role("combobox", name="Model version")
    other.click()
    page.clock.run_for(1000)
    expect(other).to_be_focused()
    assert page.evaluate("location.href") == before
    # Enter says in words what is wrong.
    box.focus()
    box.press("Enter")
    expect(box).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    box.press_sequentially(corrected)
    box.blur()
    expect(page).to_have_url(re.compile(re.escape(address) + "$"))
    expect(box).not_to_have_attribute("aria-invalid", "true")
    expect(box).not_to_have_attribute("title", re.compile(r"\w"))


def test_model_versions_are_asked_for_again_when_they_could_not_be_loaded(page: Page) -> None:
    page.route("**/api/models", lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed"):
        go(page, "#/results")
    versions = page.get_by_label("Model version").locator("option")
    expect(versions).to_have_text(["any"])
    go(page, "#/results?prediction=7")
    expect(versions).to_have_count(2)


def test_invalid_value_changes_no_other_filter_and_goes_when_the_filters_are_reset(page: Page) -> None:
    go(page, "#/results")
    most, least = (page.get_by_label(f"{name} confidence in percent") for name in ("Maximum", "Minimum"))
    most.press_sequentially("150")
    least.press_sequentially("20")
    least.press("Enter")
    expect(page).to_have_url(re.compile(r"#/results\?min_confidence=0\.2$"))
    expect(most).to_have_value("150")
    page.get_by_role("link", name="Reset the filters").click()
    expect(page).to_have_url(re.compile("#/results$"))
    expect(least).to_have_value("")
    expect(most).to_have_value("")
    expect(most).not_to_have_attribute("aria-invalid", "true")


def test_invalid_time_is_not_asked_for_when_the_other_one_changes(page: Page) -> None:
    go(page, "#/stats?since=2026-03-01")
    until, since = page.get_by_label("Before (UTC)"), page.get_by_label("From (UTC)")
    # Before the least that the form takes.
    until.fill("1960-01-01T00:00")
    since.fill("2026-03-02T00:00")
    since.press("Enter")
    expect(page).to_have_url(re.compile(r"#/stats\?since=2026-03-02T00:00$"))
    expect(until).to_have_attribute("aria-invalid", "true")


def test_time_can_be_chosen_again_after_an_invalid_one(page: Page) -> None:
    go(page, "#/stats?since=2026-03-01")
    period, since, until = (page.get_by_label(name, exact=True) for name in ("Drawings", "From (UTC)", "Before (UTC)"))
    for invalid in (until, since):
        invalid.fill("1960-01-01T00:00")
        invalid.blur()
        expect(invalid).to_have_attribute("aria-invalid", "true")
        period.select_option("all")
        expect(page).to_have_url(re.compile(r"#/stats\?last=all$"))
        period.select_option("from … to …")
        expect(page).to_have_url(re.compile(r"#/stats\?since=[-\d]+T[:\d]+$"))
        expect(since).to_have_value(page.url.partition("since=")[2])
        expect(until).to_have_value("")
        expect(invalid).to_have_attribute("aria-invalid", "false")


@pytest.mark.parametrize("has_focus", [True, False])
@pytest.mark.parametrize(
    ("view", "field", "invalid", "address", "value"),
    [
        ("results", "Maximum confidence in percent", "150", "results?max_confidence=0.5", "50"),
        *(
            ("stats?since=2026-03-01", "Before (UTC)", typed, "stats?until=2026-03-05T10:00", "2026-03-05T10:00")
            for typed in ("0305", "01011960\t1030PM")
        ),
    ],
)
def test_invalid_value_is_left_with_its_view(
    page: Page, view: str, field: str, invalid: str, address: str, value: str, has_focus: bool
) -> None:
    go(page, f"#/{view}")
    box = page.get_by_label(field, exact=True)
    box.press_sequentially(invalid)
    if not has_focus:
        box.blur()
        expect(box).to_have_attribute("aria-invalid", "true")
    go(page, "#/draw")
    expect(page.get_by_role("heading", name="Draw a digit")).to_be_visible()
    go(page, f"#/{address}")
    expect(box).to_have_value(value)
    expect(box).to_have_attribute("aria-invalid", "false")
