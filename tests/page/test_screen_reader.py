"""What a screen reader finds in the views in which people draw and label, and what it reads out."""

import re
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.results_page import Held, classify_drawings, go
from tests.support.review_rows import add_drawings
from tests.support.service_process import Service

EMPTY_PAD: Final = """
- main:
  - heading "Draw a digit" [level=1]
  - region "Drawing":
    - img "Drawing area. Draw a digit here with mouse, pen or finger."
    - button "Use an image"
    - group:
      - text: Pen
      - group "Pen":
        - radio "thin"
        - text: thin
        - radio "normal" [checked]
        - text: normal
        - radio "thick"
        - text: thick
    - paragraph: /^Keys./
  - region "Prediction":
    - paragraph: PixelWise reads the digit that you draw, and keeps every drawing with its answer.
    - paragraph: /Say whether the answer is right/
    - paragraph: /paste an image, or drop one/
    - status
"""

BUTTONS: Final = "".join(f'      - button "It is {"an" if digit == 8 else "a"} {digit}"\n' for digit in range(10))

ANSWER: Final = f"""
- region "Prediction":
    - paragraph: /^7 almost certain, 99.\\d %$/
    - paragraph: /^Read as 7, almost certain, 99.\\d %\\.$/
    - group "What does the drawing show?":
      - button "Right"
{BUTTONS}      - button "It is not a digit"
    - status:
      - text: Stored as
      - link "number 1"
      - text: . Is it right?
    - group:
      - text: Details
      - list "Score of each digit"
      - figure "What the network sees":
        - img "Your drawing as the network sees it"
"""

REVIEW: Final = f"""
- main:
  - heading "Review" [level=1]
  - paragraph: "Random sample: say what you see."
  - figure /Number \\d+/:
    - img "The drawing as it was sent"
    - link /Number \\d+/
  - region "Prediction":
    - paragraph:
      - status: "?"
      - text: hidden until you have labelled it
  - region "Details":
    - figure "What the network sees":
      - img "The drawing as the network sees it"
  - region "Your label":
    - group "What does the drawing show?":
      - text: "Choose what you see:"
{BUTTONS}      - button "It is not a digit"
    - button "Skip"
    - button "Back" [disabled]
    - paragraph: /^Keys./
  - paragraph: 0 labelled in this session, 10 left in this batch
  - status
  - paragraph:
    - textbox "Your name"
"""


def test_empty_pad_is_described_without_empty_controls(page: Page) -> None:
    expect(page.locator("main")).to_match_aria_snapshot(EMPTY_PAD)
    expect(page.locator("main").get_by_role("button")).to_have_count(1)


def test_answer_and_labels_are_described(page: Page) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("number 1.")
    expect(page.get_by_role("region", name="Prediction")).to_match_aria_snapshot(ANSWER)
    tools = page.get_by_role("region", name="Drawing").get_by_role("button")
    expect(tools).to_have_text(["Clear", "Delete", "Image"])
    page.get_by_role("button", name="Right", exact=True).click()
    expect(page.get_by_role("button", name="Right", exact=True)).to_match_aria_snapshot('- button "Right" [pressed]')


def test_drawing_to_review_is_described(page: Page, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 13)})
    page.evaluate("location.hash = '#/review'")
    expect(page.locator("main")).to_match_aria_snapshot(REVIEW)


# Counts how often what a screen reader reads out is built anew, and not the countdown, which is hidden from it.
COUNT_CHANGES: Final = """(alert) => {
  window.changes = 0;
  const isRead = ({target, addedNodes}) =>
    alert.contains(target) ? !alert.querySelector(".countdown").contains(target) : [...addedNodes].includes(alert);
  window.observer = new MutationObserver((records) => (window.changes += records.filter(isRead).length));
  observer.observe(alert.parentElement, {childList: true, subtree: true, characterData: true, attributes: true});
}"""


@pytest.mark.parametrize(
    ("view", "asked"),
    [
        ("draw", "**/api/classify"),
        ("results", "**/api/results?*"),
        ("results/1", "**/api/results/1"),
        ("review", "**/api/review?*"),
        ("stats", "**/api/stats?*"),
    ],
)
def test_retry_that_fails_again_is_not_announced_and_leaves_the_focus(
    page: Page, service: Service, view: str, asked: str
) -> None:
    classify_drawings(service, 1)
    page.clock.install()
    page.route(asked, lambda route: route.abort())
    go(page, f"#/{view}")
    if view == "draw":
        by_mouse(page, SEVEN)
        page.keyboard.press("Enter")
    alert = page.get_by_role("alert").filter(has_text="PixelWise cannot be reached.")
    button = alert.get_by_role("button", name="Try again now")
    countdown = alert.locator(".countdown")
    button.focus()
    alert.evaluate(COUNT_CHANGES)
    for _ in range(2):
        with page.expect_event("requestfailed"):
            page.clock.fast_forward(6000)
        expect(countdown).to_have_text(re.compile(r"Trying again in \d s\."))
        expect(button).to_be_focused()
    assert page.evaluate("observer.disconnect(), changes") == 0
    page.unroute_all()
    page.keyboard.press("Enter")
    expect(alert).to_be_hidden()


def test_notice_says_that_it_tries_again(page: Page) -> None:
    page.route("**/api/classify", lambda route: route.abort())
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name="Try again now")
    expect(button).to_be_visible()
    page.unroute_all()
    held = Held(page, "**/api/classify", "POST")
    button.click()
    expect(page.locator(".countdown")).to_have_text("Trying again …")
    held.let_go()
    expect(page.locator(".state")).to_contain_text("number 1.")
    expect(page.locator(".countdown")).to_be_hidden()


def test_notice_stays_when_its_retry_meets_an_attempt_that_runs(page: Page) -> None:
    page.clock.install()
    page.route("**/api/classify", lambda route: route.abort())
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert").filter(has_text="PixelWise cannot be reached.")
    expect(alert).to_be_visible()
    page.unroute_all()
    held = Held(page, "**/api/classify", "POST")
    alert.evaluate(COUNT_CHANGES)
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    first = held.wait()
    page.clock.fast_forward(6000)
    expect(alert.locator(".countdown")).to_have_text("Trying again …")
    assert page.evaluate("observer.disconnect(), changes") == 0
    first.continue_()
    held.let_go()
    expect(page.locator(".state")).to_contain_text("number 2.")
    expect(alert).to_be_hidden()
