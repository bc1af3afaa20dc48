"""Label buttons stay where a finger is about to press them."""

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.support.digit_strokes import SEVEN, by_touch

SIZES: Final = [(320, 568), (360, 640), (390, 664), (412, 732), (667, 375), (844, 390), (768, 1024), (900, 900)]

# Notes where the buttons are whenever the page says something else about the drawing.
WATCH: Final = """() => {
  window.tops = {};
  const [state, choices] = [".draw .state", ".draw .choices"].map((selector) => document.querySelector(selector));
  new MutationObserver(() => {
    if (state.textContent) tops[state.textContent] = choices.getBoundingClientRect().top;
  }).observe(state, {childList: true, subtree: true, characterData: true});
}"""


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_label_buttons_stay_while_a_drawing_is_stored_and_labelled(phone: Page, width: int, height: int) -> None:
    phone.set_viewport_size({"width": width, "height": height})
    expect(phone.locator("canvas.pad")).to_be_visible()
    phone.evaluate(WATCH)
    by_touch(phone, phone.context.new_cdp_session(phone), SEVEN)
    expect(phone.locator(".state")).to_contain_text("number 1.")
    phone.get_by_role("button", name="It is a 1", exact=True).tap()
    expect(phone.locator(".state")).to_have_text("Thank you. Labelled as a 1.")
    tops: dict[str, float] = phone.evaluate("tops")
    assert len(tops) > 3, "before, while and after it is stored, and with a label"
    assert max(tops.values()) - min(tops.values()) < 1, tops
