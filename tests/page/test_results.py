"""The results on the page: paging, filters, labels and notes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import SharedTab, open_page
from tests.support.results_page import classify_drawings, go, labels, notes, row, send
from tests.support.service import KEY, execute
from tests.support.service_process import Service
from tests.support.waiting import wait_until

MOST_PICTURES = 150
WATCH_PICTURES = """
window.pictures = {made: 0, let_go: 0};
const [make, letGo] = [URL.createObjectURL, URL.revokeObjectURL];
URL.createObjectURL = (blob) => { pictures.made++; return make.call(URL, blob); };
URL.revokeObjectURL = (url) => { pictures.let_go++; letGo.call(URL, url); };
"""
COUNT_WINDOW_LISTENERS = """
window.listeners = new Set();
const [add, remove] = [window.addEventListener, window.removeEventListener];
window.addEventListener = function (name, listener, options) {
  listeners.add(listener);
  return add.call(window, name, listener, options);
};
window.removeEventListener = function (name, listener, options) {
  listeners.delete(listener);
  return remove.call(window, name, listener, options);
};
"""


def test_going_back_from_a_row_restores_the_scroll_position(page: Page, service: Service) -> None:
    classify_drawings(service, 160)
    page.get_by_role("link", name="Results").click()
    expect(row(page, 160)).to_be_visible()
    expect(page.locator(".result-row")).to_have_count(50)
    # More rows load near the end of the list.
    page.mouse.move(600, 600)
    everything = page.get_by_text("160 shown, no more.")
    wait_until(lambda: page.mouse.wheel(0, 1800) or everything.count(), "all rows are shown")
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    link = row(page, 60).get_by_role("link")
    link.scroll_into_view_if_needed()
    before = link.bounding_box()
    link.click()
    expect(page.get_by_role("heading", name="Prediction 60")).to_be_visible()
    page.go_back()
    expect(link).to_be_visible()
    after = link.bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] == pytest.approx(before["y"], abs=2)


def test_keyboard_loads_more_rows_and_moves_between_them(page: Page, service: Service) -> None:
    classify_drawings(service, 60)
    go(page, "#/results")
    expect(page.locator(".result-row")).to_have_count(50)
    more = page.get_by_role("button", name="Show more")
    # Scrolling to the button would load more rows.
    more.evaluate("button => button.focus({preventScroll: true})")
    page.keyboard.press("Enter")
    expect(page.locator(".result-row")).to_have_count(60)
    expect(row(page, 10).get_by_role("link")).to_be_focused()
    row(page, 60).get_by_role("link").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(row(page, 59).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Prediction 59")).to_be_visible()


def test_filters_are_in_the_url_and_restored_by_going_back(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 6)
    execute(
        sqlite_url,
        "UPDATE predictions SET prediction = '1', confidence = 0.4",
        "UPDATE predictions SET prediction = '7', confidence = 0.97, notes = 'with a bar' WHERE id IN (2, 5)",
        "UPDATE predictions SET created_at = '2026-03-05 12:00:00.000000' WHERE id = 3",
    )
    send(service, "PUT", "/results/5/label", {"label": "7"})
    go(page, "#/results")
    expect(page.locator(".result-row")).to_have_count(6)
    page.get_by_role("combobox", name="Prediction", exact=True).select_option("7")
    expect(page.locator(".result-row")).to_have_count(2)
    page.get_by_role("combobox", name="Label", exact=True).select_option("none")
    expect(page.locator(".result-row")).to_have_count(1)
    assert page.url.endswith("#/results?prediction=7&labelled=false")
    page.go_back()
    expect(page.locator(".result-row")).to_have_count(2)
    expect(page.get_by_role("combobox", name="Label", exact=True)).to_have_value("")
    # A link replaces the filters shown before.
    go(page, "#/results?max_confidence=0.5&since=2026-03-05&until=2026-03-05")
    expect(row(page, 3)).to_be_visible()
    expect(page.locator(".result-row")).to_have_count(1)
    expect(page.get_by_label("Maximum confidence in percent")).to_have_value("50")
    expect(page.get_by_label("From", exact=True)).to_have_value("2026-03-05")
    page.get_by_label("Notes contain").fill("BAR")
    page.get_by_label("Notes contain").press("Enter")
    expect(page.get_by_text("No result matches these filters.")).to_be_visible()
    page.get_by_role("link", name="Reset the filters").click()
    expect(page.locator(".result-row")).to_have_count(6)
    expect(page.get_by_label("Notes contain")).to_have_value("")


@pytest.mark.parametrize(
    ("old", "new", "heading"),
    [
        ("#/history?prediction=7", "#/results?prediction=7", "Results"),
        ("#/numbers?last=100&bucket=week", "#/stats?last=100&bucket=week", "Stats"),
    ],
)
def test_old_url_opens_the_renamed_view(page: Page, old: str, new: str, heading: str) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    go(page, old)
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    assert page.url.endswith(f"/{new}")
    page.go_back()
    expect(page.locator("canvas.pad")).to_be_visible()


def test_row_is_labelled_in_place_with_mouse_and_keys(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 3)
    execute(sqlite_url, "UPDATE predictions SET prediction = '1', not_a_digit = 0")
    go(page, "#/results")
    row(page, 2).get_by_role("button", name="Label").click()
    row(page, 2).get_by_role("button", name="It is a 7").click()
    expect(row(page, 2)).to_contain_text("✗ was a 7")
    row(page, 3).get_by_role("button", name="Label").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    expect(row(page, 3)).to_contain_text("✗ not a digit")
    page.keyboard.press("y")
    expect(row(page, 3)).to_contain_text("✓ right")
    page.keyboard.press("Escape")
    expect(row(page, 3).get_by_role("button", name="Label")).to_be_focused()
    assert labels(sqlite_url) == [(2, "7"), (3, "none"), (3, "1")]


def test_double_click_on_a_label_stores_it_once(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    go(page, "#/results")
    row(page, 1).get_by_role("button", name="Label").click()
    row(page, 1).get_by_role("button", name="It is a 4").dblclick()
    row(page, 1).get_by_role("button", name="It is a 5").click()
    wait_until(lambda: labels(sqlite_url)[-1:] == [(1, "5")], "the second label is stored")
    assert labels(sqlite_url) == [(1, "4"), (1, "5")]


def test_label_given_offline_is_stored_once_after_reconnecting(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 2)
    go(page, "#/results")
    row(page, 1).get_by_role("button", name="Label").click()
    page.context.set_offline(True)
    row(page, 1).get_by_role("button", name="It is a 4").click()
    expect(page.get_by_text("Your label is kept and will be stored.")).to_be_visible()
    go(page, "#/draw")
    page.context.set_offline(False)
    wait_until(lambda: labels(sqlite_url) == [(1, "4")], "the label is stored")
    go(page, "#/results")
    expect(row(page, 1)).to_contain_text("4")
    assert labels(sqlite_url) == [(1, "4")]


def test_notes_are_edited_in_place_and_drafts_survive_a_reload(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    go(page, "#/results")
    row(page, 1).get_by_role("button", name="Notes").click()
    page.get_by_role("textbox", name="Notes on prediction 1").fill("with a bar")
    page.reload()
    box = page.get_by_role("textbox", name="Notes on prediction 1")
    expect(box).to_have_value("with a bar")
    page.get_by_role("button", name="Save").click()
    expect(box).to_be_hidden()
    expect(row(page, 1).locator(".notes")).to_have_text("with a bar")
    assert notes(sqlite_url, 1) == "with a bar"
    row(page, 1).get_by_role("button", name="Notes").click()
    box.fill("   ")
    box.press("Control+Enter")
    expect(row(page, 1).locator(".notes")).to_have_text("")
    assert notes(sqlite_url, 1) is None


@pytest.fixture
def counted(browser: Browser, site: str) -> Iterator[Page]:
    """The page, which counts the listeners of its window."""
    with open_page(browser, site, script=COUNT_WINDOW_LISTENERS) as page:
        yield page


def test_reopening_notes_leaves_no_window_listeners(counted: Page, service: Service) -> None:
    classify_drawings(service, 1)
    go(counted, "#/results")
    button = row(counted, 1).get_by_role("button", name="Notes")
    expect(button).to_be_visible()
    before = counted.evaluate("listeners.size")
    for _ in range(5):
        button.click()
        expect(counted.get_by_role("textbox", name="Notes on prediction 1")).to_be_visible()
        button.click()
    assert counted.evaluate("listeners.size") == before


def test_closed_notice_leaves_no_window_listeners(counted: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    go(counted, "#/results")
    row(counted, 1).get_by_role("button", name="Notes").click()
    before = counted.evaluate("listeners.size")
    counted.context.set_offline(True)
    counted.get_by_role("textbox", name="Notes on prediction 1").fill("kept")
    counted.get_by_role("button", name="Save").click()
    expect(row(counted, 1).get_by_role("alert")).to_be_visible()
    assert counted.evaluate("listeners.size") > before
    counted.context.set_offline(False)
    expect(row(counted, 1).locator(".notes")).to_have_text("kept")
    assert notes(sqlite_url, 1) == "kept"
    wait_until(lambda: counted.evaluate("listeners.size") == before, "the listeners are gone")


def test_drawings_are_loaded_near_the_screen_and_released_later(browser: Browser, site: str, service: Service) -> None:
    classify_drawings(service, MOST_PICTURES + 20)
    with open_page(browser, site, script=WATCH_PICTURES) as page:
        go(page, "#/results")
        newest = row(page, MOST_PICTURES + 20).locator("img")
        expect(newest).to_have_js_property("naturalWidth", 28)
        wait_until(lambda: page.evaluate("pictures.made") >= 10, "the drawings near the screen are there")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("pictures.made") < 50
        for number in range(MOST_PICTURES + 10, 0, -10):
            image = row(page, number).locator("img")
            image.scroll_into_view_if_needed()
            expect(image).to_have_js_property("naturalWidth", 28)
        counts = page.evaluate("pictures")
        assert counts["made"] > MOST_PICTURES
        assert counts["made"] - counts["let_go"] <= MOST_PICTURES
        page.evaluate("scrollTo(0, 0)")
        expect(newest).to_have_js_property("naturalWidth", 28)


def test_results_without_a_key_ask_for_it_instead_of_showing_drawings(
    shared_phone: SharedTab, site: str, service: Service, sqlite_url: str
) -> None:
    classify_drawings(service, 2)
    with shared_phone.open(site, key=None) as page:
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        go(page, "#/results")
        expect(page.locator(".result-row")).to_have_count(2)
        expect(page.get_by_text("You need the API key to see drawings and to label them.")).to_be_visible()
        assert not any("drawing.png" in url for url in requested)
        # The label given before the key was entered is stored.
        row(page, 2).get_by_role("button", name="Label").tap()
        row(page, 2).get_by_role("button", name="It is a 9").tap()
        page.locator(".notice").get_by_role("button", name="Enter a key").tap()
        page.get_by_label("Key", exact=True).fill(KEY)
        page.get_by_role("button", name="Use this key").tap()
        expect(row(page, 2)).to_contain_text("9")
        expect(row(page, 2).locator("img")).to_have_js_property("naturalWidth", 28)
        wait_until(lambda: labels(sqlite_url) == [(2, "9")], "the label is stored")
        expect(page.get_by_text("You need the API key to see drawings")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
