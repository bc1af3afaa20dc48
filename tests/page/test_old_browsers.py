"""Browsers of the last four years, and those that hinder fingerprinting: what they lack, the page does not need."""

import re
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_page
from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.project_copy import PROJECT
from tests.support.results_page import classify_drawings, go, labels, row
from tests.support.review_rows import add_drawings
from tests.support.service import execute, rows
from tests.support.service_process import Service
from tests.support.waiting import wait_until

STATIC: Final = PROJECT / "app/static"

# What Safari 15.4, Chrome 104 and Firefox 104 do not have, all of 2022.
REMOVE_NEWER_FUNCTIONS: Final = """
delete URLSearchParams.prototype.size;
delete AbortSignal.any;
delete AbortSignal.timeout;
delete Object.groupBy;
delete Map.groupBy;
delete Promise.withResolvers;
delete Promise.try;
delete Array.fromAsync;
delete URL.canParse;
delete URL.parse;
delete Uint8Array.fromBase64;
delete PointerEvent.prototype.getCoalescedEvents;
delete PointerEvent.prototype.getPredictedEvents;
delete Element.prototype.setHTMLUnsafe;
delete HTMLInputElement.prototype.showPicker;
delete HTMLElement.prototype.showPopover;
delete Document.prototype.startViewTransition;
for (const name of ["toSorted", "toReversed", "toSpliced", "with"]) delete Array.prototype[name];
for (const name of ["union", "intersection", "difference", "isSubsetOf"]) delete Set.prototype[name];
for (const name of ["isWellFormed", "toWellFormed"]) delete String.prototype[name];
for (const name of ["map", "filter", "take", "drop", "toArray", "find", "some"]) delete Iterator.prototype[name];
for (const name of ["requestIdleCallback", "scheduler", "navigation", "cookieStore", "Iterator"]) delete window[name];
Object.defineProperty(navigator, "locks", {value: undefined});
Object.defineProperty(crypto, "randomUUID", {value: undefined});
Object.defineProperty(window, "structuredClone", {value: undefined});
"""

# What browsers with protection against fingerprinting do to a canvas.
SPOIL_CANVAS: Final = """
const read = CanvasRenderingContext2D.prototype.getImageData;
CanvasRenderingContext2D.prototype.getImageData = function (...box) {
  const image = read.apply(this, box);
  crypto.getRandomValues(new Uint8Array(image.data.buffer, 0, Math.min(image.data.length, 65536)));
  return image;
};
HTMLCanvasElement.prototype.toBlob = HTMLCanvasElement.prototype.toDataURL = () => { throw new Error("blocked"); };
"""

NEWER_CSS: Final = re.compile(
    r":has\(|@container|@layer|@scope|@starting-style|light-dark\(|anchor\(|subgrid|^\s*&", re.M
)


@pytest.fixture
def old(browser: Browser, site: str) -> Iterator[Page]:
    """The page in a browser without newer functions."""
    with open_page(browser, site, script=REMOVE_NEWER_FUNCTIONS) as page:
        yield page


def test_drawing_and_labels_need_no_newer_functions(old: Page, sqlite_url: str) -> None:
    by_mouse(old, SEVEN)
    old.keyboard.press("Enter")
    expect(old.locator(".state")).to_have_text("Stored as number 1. Is it right?")
    old.keyboard.press("y")
    expect(old.locator(".state")).to_have_text("Confirmed: it is a 7.")
    assert labels(sqlite_url) == [(1, "7")]


def test_results_are_filtered_and_paged_without_newer_functions(old: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 120)
    execute(sqlite_url, "UPDATE predictions SET prediction = CASE WHEN id <= 60 THEN '3' ELSE '7' END")
    go(old, "#/results")
    expect(old.locator(".result-row")).to_have_count(50)
    old.get_by_role("combobox", name="Prediction", exact=True).select_option("3")
    expect(row(old, 60)).to_be_visible()
    expect(old.locator(".result-row").first.get_by_role("link")).to_have_attribute("href", "#/results/60")
    old.get_by_role("button", name="Show more").scroll_into_view_if_needed()
    expect(old.get_by_text("60 shown, no more.")).to_be_visible()
    row(old, 60).get_by_role("link").click()
    expect(old.get_by_role("heading", name="Prediction 60")).to_be_visible()
    expect(old.locator("article img").first).to_have_js_property("naturalWidth", 28)
    old.get_by_role("button", name="Write notes").click()
    old.get_by_role("textbox").fill("old")
    old.get_by_role("button", name="Save").click()
    expect(old.locator(".notes-text")).to_have_text("old")


def test_review_and_stats_need_no_newer_functions(old: Page, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 13)})
    go(old, "#/review")
    expect(old.locator(".offered-drawing img")).to_be_visible()
    old.keyboard.press("4")
    expect(old.get_by_text("1 labelled in this session")).to_be_visible()
    go(old, "#/stats")
    expect(old.get_by_text("As of ")).to_be_visible()
    expect(old.locator(".stats-section .notice:not(:empty)")).to_have_count(0)
    wait_until(lambda: [label for _, label in labels(sqlite_url)] == ["4"], "the label is stored")


def test_noise_in_a_canvas_is_not_stored(browser: Browser, page: Page, site: str, sqlite_url: str) -> None:
    """The pixels are computed from the strokes, and never read from a canvas."""
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("number 1.")
    with open_page(browser, site, script=SPOIL_CANVAS) as spoiled:
        by_mouse(spoiled, SEVEN)
        spoiled.keyboard.press("Enter")
        expect(spoiled.locator(".state")).to_contain_text("number 2.")
    clean, other = (row["pixels"] for row in rows(sqlite_url, "SELECT pixels FROM v_drawings ORDER BY prediction_id"))
    assert clean == other


@pytest.mark.parametrize("name", sorted(path.name for path in STATIC.rglob("*.css")))
def test_style_sheets_need_no_newer_css(name: str) -> None:
    (path,) = STATIC.rglob(name)
    assert not NEWER_CSS.findall(path.read_text())
