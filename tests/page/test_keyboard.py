"""The keyboard on the page: layouts, modifiers, keys that are held down, and keys that belong to somebody else."""

from typing import Final

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.support.browser import pause_clock
from tests.support.digit_strokes import FOUR, SEVEN, by_mouse
from tests.support.results_page import classify_drawings, go
from tests.support.service import KEY, rows
from tests.support.service_process import Service
from tests.support.waiting import wait_until

ALT, CTRL, META, SHIFT = 1, 2, 4, 8

# What a key types, where it is on the keyboard, which modifiers are held, and the label.
LAYOUTS: Final = {
    "QWERTY": [("5", "Digit5", 0, "5"), ("N", "KeyN", SHIFT, "none"), ("Y", "KeyY", 0, "7")],
    "numeric keypad": [("3", "Numpad3", 0, "3")],
    "AZERTY": [("é", "Digit2", 0, "2"), ("à", "Digit0", 0, "0"), ("8", "Digit8", SHIFT, "8")],
    "Cyrillic": [("т", "KeyN", 0, "none"), ("н", "KeyY", 0, "7"), ("6", "Digit6", 0, "6")],
    "Arabic": [("٤", "Digit4", 0, "4"), ("ى", "KeyN", 0, "none")],
    "Dvorak": [("n", "KeyL", 0, "none"), ("9", "Digit9", 0, "9")],
}

NO_LABELS: Final = [
    ("1", "Digit1", CTRL),
    ("1", "Digit1", META),
    ("3", "Digit3", ALT),
    ("!", "Digit1", SHIFT),
    ("End", "Numpad1", 0),
    ("b", "KeyN", 0),
    ("ö", "Semicolon", 0),
]


def key(keyboard: CDPSession, typed: str, code: str, modifiers: int = 0, *, repeat: bool = False) -> None:
    """Press a key as the keyboard of a layout does."""
    event = {"key": typed, "code": code, "modifiers": modifiers}
    keyboard.send("Input.dispatchKeyEvent", {**event, "type": "rawKeyDown", "autoRepeat": repeat})
    if not repeat:
        keyboard.send("Input.dispatchKeyEvent", {**event, "type": "keyUp"})


def hold(keyboard: CDPSession, typed: str, code: str, modifiers: int = 0) -> None:
    """Hold a key down for a second, as the system repeats it."""
    for pressed in range(31):
        event = {"key": typed, "code": code, "modifiers": modifiers, "autoRepeat": pressed > 0}
        text = {"text": "\r", "type": "keyDown"} if typed == "Enter" else {"type": "rawKeyDown"}
        keyboard.send("Input.dispatchKeyEvent", {**event, **text})
    keyboard.send("Input.dispatchKeyEvent", {"key": typed, "code": code, "type": "keyUp"})


def labels(database_url: str) -> list[str]:
    return [row["label"] for row in rows(database_url, "SELECT label FROM labels ORDER BY id")]


def expect_labels(database_url: str, expected: list[str]) -> None:
    wait_until(lambda: len(labels(database_url)) >= len(expected), f"{expected} is stored")
    assert labels(database_url) == expected


def finish(page: Page) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("number 1.")


@pytest.fixture
def keyboard(page: Page) -> CDPSession:
    """The keyboard of a page on which a seven is stored."""
    finish(page)
    return page.context.new_cdp_session(page)


def test_labels_can_be_typed_on_every_layout(keyboard: CDPSession, sqlite_url: str) -> None:
    expected = []
    for presses in LAYOUTS.values():
        for typed, code, modifiers, label in presses:
            key(keyboard, typed, code, modifiers)
            expected.append(label)
            wait_until(lambda: labels(sqlite_url)[len(expected) - 1 :], "the label is stored")
    assert labels(sqlite_url) == expected


def test_shortcuts_of_browser_and_system_label_nothing(page: Page, keyboard: CDPSession, sqlite_url: str) -> None:
    for typed, code, modifiers in NO_LABELS:
        key(keyboard, typed, code, modifiers)
    # On a French keyboard AltGr types the @ with this key; an input method composes with the other.
    page.evaluate(
        """() => {
          const press = (options) =>
            document.body.dispatchEvent(new KeyboardEvent("keydown", {bubbles: true, ...options}));
          press({key: "@", code: "Digit0", modifierAltGraph: true});
          press({key: "4", code: "Digit4", ctrlKey: true, altKey: true});
          press({key: "5", code: "Digit5", isComposing: true});
          press({key: "Process", code: "Digit6"});
        }"""
    )
    key(keyboard, "9", "Digit9")
    expect_labels(sqlite_url, ["9"])


def test_keys_typed_into_fields_and_dialogs_label_nothing(page: Page, keyboard: CDPSession, sqlite_url: str) -> None:
    page.evaluate(
        """() => {
          const area = Object.assign(document.createElement("div"), {contentEditable: "true", id: "editable"});
          area.append(document.createElement("b"));
          document.body.append(area, document.createElement("textarea"));
        }"""
    )
    for field in ("#editable", "textarea"):
        page.locator(field).focus()
        key(keyboard, "1", "Digit1")
    page.get_by_role("button", name="The key is set; change or forget it").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").focus()
    key(keyboard, "2", "Digit2")
    page.keyboard.press("Escape")
    key(keyboard, "9", "Digit9")
    expect_labels(sqlite_url, ["9"])


def test_held_keys_label_once(page: Page, keyboard: CDPSession, sqlite_url: str) -> None:
    hold(keyboard, "7", "Digit7")
    expect_labels(sqlite_url, ["7"])
    # The browser clicks a button again and again while Enter is held.
    page.get_by_role("button", name="It is a 1").focus()
    hold(keyboard, "Enter", "Enter")
    page.get_by_role("button", name="Right", exact=True).focus()
    hold(keyboard, "Enter", "Enter")
    expect_labels(sqlite_url, ["7", "1", "7"])


UNDO: Final = {
    "Cmd": ("z", "KeyZ", META),
    "CapsLock": ("Z", "KeyZ", CTRL),
    "Cyrillic with Ctrl": ("я", "KeyZ", CTRL),
    "Cyrillic": ("я", "KeyZ", 0),
    "AZERTY": ("z", "KeyW", CTRL),
}


def test_held_undo_key_undoes_one_stroke(page: Page, sqlite_url: str) -> None:
    keyboard = page.context.new_cdp_session(page)
    pause_clock(page)
    for number, (typed, code, modifiers) in enumerate(UNDO.values(), start=1):
        by_mouse(page, [*SEVEN, FOUR[1]])
        key(keyboard, "Z", "KeyZ", CTRL + SHIFT)
        hold(keyboard, typed, code, modifiers)
        page.keyboard.press("Enter")
        expect(page.locator(".state")).to_contain_text(f"number {number}.")
    read = [row["prediction"] for row in rows(sqlite_url, "SELECT prediction FROM predictions ORDER BY id")]
    assert dict(zip(UNDO, read, strict=True)) == dict.fromkeys(UNDO, "7")


def test_keys_work_in_the_open_view_alone(page: Page, keyboard: CDPSession, service: Service, sqlite_url: str) -> None:
    go(page, "#/results")
    expect(page.locator(".result-row")).to_have_count(1)
    key(keyboard, "3", "Digit3")
    go(page, "#/results/1")
    expect(page.get_by_text("No labels yet.")).to_be_visible()
    key(keyboard, "4", "Digit4")
    expect(page.locator(".labels")).to_contain_text("4 by")
    go(page, "#/stats")
    expect(page.get_by_role("heading", name="Stats")).to_be_visible()
    key(keyboard, "5", "Digit5")
    go(page, "#/draw")
    expect(page.locator("canvas.pad")).to_be_visible()
    key(keyboard, "6", "Digit6")
    expect_labels(sqlite_url, ["4", "6"])


def test_arrows_and_escape_go_through_results(page: Page, service: Service) -> None:
    classify_drawings(service, 3)
    go(page, "#/results?labelled=false")
    links = page.locator(".result-link")
    expect(links).to_have_count(3)
    page.keyboard.press("ArrowDown")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Prediction 2")).to_be_visible()
    # Esc in the notes closes them and not the result.
    page.get_by_role("button", name="Write notes").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Write notes")).to_be_focused()
    page.keyboard.press("Escape")
    expect(links.nth(1)).to_be_focused()
    assert page.url.endswith("#/results?labelled=false")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(links.nth(2)).to_be_focused()


def test_arrows_scroll_other_views_after_the_list_was_shown_twice(page: Page, service: Service) -> None:
    classify_drawings(service, 3)
    go(page, "#/results")
    expect(page.locator(".result-link")).to_have_count(3)
    go(page, "#/results?labelled=false")
    expect(page.get_by_role("link", name="Reset the filters")).to_be_visible()
    go(page, "#/stats")
    expect(page.locator(".stats")).to_contain_text("As of")
    page.keyboard.press("ArrowDown")
    wait_until(lambda: page.evaluate("scrollY") > 0, "the page scrolls")


def test_label_given_before_the_drawing_is_stored_counts_once_it_is(page: Page, sqlite_url: str) -> None:
    pause_clock(page)
    by_mouse(page, SEVEN)
    page.keyboard.press("1")
    expect(page.locator(".state")).to_have_text("This will be stored in a moment, labelled as a 1.")
    expect(page.get_by_role("button", name="It is a 1")).to_have_attribute("aria-pressed", "true")
    assert rows(sqlite_url, "SELECT id FROM predictions") == []
    page.clock.resume()
    expect(page.locator(".state")).to_have_text("Thank you. Labelled as a 1.")
    assert labels(sqlite_url) == ["1"]


def test_agreement_does_not_count_for_a_drawing_that_is_continued(page: Page, sqlite_url: str) -> None:
    pause_clock(page)
    by_mouse(page, FOUR[:1])
    page.clock.run_for(100)
    expect(page.locator(".certainty")).not_to_be_empty()
    page.keyboard.press("y")
    expect(page.locator(".state")).to_contain_text("labelled as")
    by_mouse(page, FOUR[1:])
    expect(page.locator(".state")).to_contain_text("Draw on to add to it.")
    page.keyboard.press("Escape")
    by_mouse(page, SEVEN)
    page.keyboard.press("3")
    # A digit says what the drawing is to become.
    by_mouse(page, [[(0.45, 0.5), (0.55, 0.5), (0.65, 0.5)]])
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_have_text("Thank you. Labelled as a 3.")
    assert labels(sqlite_url) == ["3"]


def test_label_of_a_waiting_drawing_survives_a_closed_tab(page: Page, site: str, sqlite_url: str) -> None:
    page.context.route("**/api/classify", lambda route: route.abort())
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_have_text("Not stored yet.")
    page.keyboard.press("2")
    page.close()
    page.context.unroute_all()
    page.context.new_page().goto(f"{site}#key={KEY}")
    expect_labels(sqlite_url, ["2"])
