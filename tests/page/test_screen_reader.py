"""What a screen reader finds: the accessibility tree of the views in which people draw and label."""

from typing import Final

from playwright.sync_api import Page, expect

from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.review_rows import add_drawings

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
    - status:
      - text: Stored as
      - link "number 1"
      - text: . Is it right?
    - group "What does the drawing show?":
      - button "Right"
{BUTTONS}      - button "It is not a digit"
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
