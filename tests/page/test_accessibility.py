"""Accessibility of the page: axe, the keyboard and screen readers."""

from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import DESKTOP, PHONE, open_page
from tests.support.digit_strokes import SEVEN, by_mouse
from tests.support.stored_rows import random_rows, store

VIEWS = {
    "draw": ("Draw a digit", ".bars .best"),
    "results": ("Results", ".result-row img[src]"),
    "results/12": ("Prediction 12", "img.drawing[src]"),
    "review": ("Review", ".offered-drawing img"),
    "stats": ("Stats", ".stats > [role=status]:not(:empty)"),
}


# All rows are made alike, and axe takes long for each; "Show more" after fifty is checked, too.
CHECKED: Final = {"exclude": [".result-row:nth-of-type(n+21)"]}
FIND_VIOLATIONS: Final = """async (checked) => {
  const {violations} = await axe.run(checked, {resultTypes: ["violations"]});
  return violations.map(({id, impact, nodes}) => (
    {id, impact, nodes: nodes.map(({html, failureSummary}) => ({html, failureSummary}))}
  ));
}"""


def problems(page: Page) -> list[str]:
    """Return the problems that axe-core rates serious or critical. The page has axe."""
    found = page.evaluate(FIND_VIOLATIONS, CHECKED)
    return [
        f"{violation['id']}: {node['html'][:120]} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def problems_in_both_themes(page: Page) -> list[str]:
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found += [f"{theme}: {problem}" for problem in problems(page)]
    return found


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_serious_problem_in_any_view(
    browser: Browser, site: str, sqlite_url: str, device: dict[str, Any]
) -> None:
    store(sqlite_url, random_rows(60), drawings=True)
    # Axe is injected as a script, which the page's content security policy forbids.
    with open_page(browser, site, **device, bypass_csp=True) as page:
        by_mouse(page, SEVEN)
        page.keyboard.press("Enter")
        expect(page.locator(".state")).to_contain_text("number 61.")
        page.evaluate("document.querySelectorAll('details').forEach((folded) => (folded.open = true))")
        # Another view is the same document, so axe is needed once.
        page.evaluate(Axe().axe_script)
        found = {}
        for view, (heading, shown) in VIEWS.items():
            page.goto(f"{site}#/{view}")
            expect(page.get_by_role("heading", level=1, name=heading, exact=True)).to_be_attached()
            expect(page.locator(shown).first).to_be_visible()
            found[view] = problems_in_both_themes(page)
        page.get_by_role("button", name="The key is set; change or forget it").click()
        found["key"] = problems_in_both_themes(page)
    assert found == {view: [] for view in (*VIEWS, "key")}


def focused(page: Page) -> tuple[str, bool]:
    """Return the name of the focused element and whether it has an outline."""
    name, outline = page.evaluate(
        """() => {
          const it = document.activeElement;
          const style = getComputedStyle(it);
          return [it.ariaLabel || it.labels?.[0]?.textContent || it.textContent.trim(), style.outlineStyle];
        }"""
    )
    return name, outline != "none"


def test_tab_key_reaches_every_control_in_order_with_visible_focus(page: Page) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("number 1.")
    page.locator(".brand").focus()
    page.keyboard.press("Shift+Tab")
    walked = [focused(page)]
    while len(walked) < 40 and walked[-1][0] != "API":
        page.keyboard.press("Tab")
        walked.append(focused(page))

    assert [name for name, _ in walked] == [
        *("Skip to the content", "PixelWise", "Draw", "Results", "Review", "Stats"),
        "The key is set; change or forget it",
        "Drawing area. Draw a digit here with mouse, pen or finger.",
        *("Clear", "Delete", "Image", "Pen", "normal", "Right"),
        *(f"It is a {digit}" for digit in range(8)),
        *("It is an 8", "It is a 9", "It is not a digit", "number 1", "Details", "API"),
    ]
    assert [name for name, seen in walked if not seen] == []


def test_keyboard_reaches_another_view_and_its_content(page: Page) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    page.get_by_role("link", name="Results").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Results")).to_have_attribute("aria-current", "page")
    expect(page.locator("main")).to_be_focused()
    expect(page).to_have_title("Results · PixelWise")

    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    expect(page).to_have_title("Results · PixelWise")


def test_result_is_in_a_live_region(page: Page) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Read as 7, ")).to_be_attached()
    live = page.get_by_text("Read as 7, ").evaluate("element => element.closest('[aria-live], [role=status]') !== null")
    assert live


def test_key_dialog_takes_and_returns_keyboard_focus(page: Page) -> None:
    button = page.get_by_role("button", name="The key is set; change or forget it")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    # Digits and Escape belong to the dialog while it is open.
    page.keyboard.type("7")
    expect(page.get_by_label("Key", exact=True)).to_have_value("7")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(button).to_be_focused()
