"""Drawing on the page: what becomes a row and what does not, and what a person sees and says of it."""

import io
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import DESKTOP, PHONE, open_page
from tests.support.digit_strokes import FOUR, ONE, SEVEN, by_mouse, by_touch, on_the_screen, touch
from tests.support.nginx import https_in_front
from tests.support.service import KEY, rows
from tests.support.service_process import Service, wait_until

DOT = [[(0.5, 0.5)]]


def stored(database_url: str) -> list[str]:
    """What is in the database, the oldest first."""
    return [row["prediction"] for row in rows(database_url, "SELECT prediction FROM predictions ORDER BY id")]


def state(page: Page) -> Any:
    return expect(page.locator(".state"))


def ink(page: Page) -> int:
    """How many pixels of the pad have ink on them."""
    count = "pad => pad.getContext('2d').getImageData(0, 0, pad.width, pad.height).data.filter((_, i) => i % 4 === 3)"
    return int(page.locator("canvas.pad").evaluate(f"{count}.filter(Boolean).length"))


def hold_time(page: Page) -> None:
    """Let no time pass on the page but what `page.clock.run_for` lets pass: a slow machine is no pause of a person."""
    page.clock.install(time=0)
    page.clock.pause_at(60_000)


@pytest.fixture
def phone(browser: Browser, site: str) -> Iterator[Page]:
    """The page on a phone, with the key."""
    with open_page(browser, site, **PHONE) as page:
        yield page


def test_a_drawing_of_two_strokes_is_one_row_that_a_pause_stores(page: Page, sqlite_url: str) -> None:
    hold_time(page)
    by_mouse(page, FOUR[:1])
    page.clock.run_for(900)
    by_mouse(page, FOUR[1:])
    page.clock.run_for(900)
    state(page).to_have_text("This will be stored in a moment. Draw on to add to it.")
    expect(page.locator(".digit-read")).to_have_text("4")
    assert stored(sqlite_url) == []

    page.clock.run_for(100)
    state(page).to_have_text("Stored as number 1. Is it right?")
    assert stored(sqlite_url) == ["4"]


def test_nothing_is_stored_while_the_pen_is_down(page: Page, sqlite_url: str) -> None:
    ((first, *others),) = on_the_screen(page, SEVEN)
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point, steps=5)
    expect(page.locator(".digit-read")).to_have_text("7")
    page.keyboard.press("Enter")
    page.wait_for_timeout(1500)
    assert stored(sqlite_url) == []

    page.mouse.up()
    state(page).to_contain_text("number 1.")
    assert stored(sqlite_url) == ["7"]


def test_enter_stores_at_once_and_the_next_stroke_begins_another_drawing(page: Page, sqlite_url: str) -> None:
    for number, (digit, strokes) in enumerate([("7", SEVEN), ("1", ONE), ("4", FOUR)], start=1):
        by_mouse(page, strokes)
        page.keyboard.press("Enter")
        state(page).to_contain_text(f"number {number}.")
        expect(page.locator(".digit-read")).to_have_text(digit)
    page.keyboard.press("Enter")
    page.wait_for_timeout(1200)
    assert stored(sqlite_url) == ["7", "1", "4"]


def test_the_last_stroke_can_be_taken_back_by_key_and_by_button(page: Page, sqlite_url: str) -> None:
    hold_time(page)
    by_mouse(page, [*ONE, FOUR[0]])
    page.keyboard.press("z")
    expect(page.locator(".digit-read")).to_have_text("1")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".digit-read")).to_be_empty()
    assert ink(page) == 0

    by_mouse(page, ONE)
    page.keyboard.press("Enter")
    state(page).to_contain_text("number 1.")
    assert stored(sqlite_url) == ["1"]


@pytest.mark.parametrize("way", ["Escape", "button"])
def test_a_drawing_that_is_cleared_is_not_stored(page: Page, sqlite_url: str, way: str) -> None:
    hold_time(page)
    by_mouse(page, SEVEN)
    page.clock.run_for(100)
    expect(page.locator(".digit-read")).to_have_text("7")
    if way == "button":
        page.get_by_role("button", name="Clear").click()
    else:
        page.keyboard.press(way)
    page.clock.resume()
    page.wait_for_timeout(1200)

    assert ink(page) == 0
    expect(page.locator(".digit-read")).to_be_empty()
    assert stored(sqlite_url) == []


def test_an_empty_pad_and_a_dot_are_no_drawings(page: Page, sqlite_url: str) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    page.keyboard.press("Enter")
    state(page).to_have_text("Draw something first.")
    by_mouse(page, DOT)
    state(page).to_contain_text("only a dot")
    page.wait_for_timeout(1200)

    assert ink(page) == 0
    assert stored(sqlite_url) == []


def test_a_line_that_leaves_the_pad_is_drawn_on(page: Page, sqlite_url: str) -> None:
    by_mouse(page, [[(0.3, 0.2), (0.7, 0.2), (0.45, 1.1)]])
    state(page).to_contain_text("number 1.")
    assert stored(sqlite_url) == ["7"]


def test_a_second_finger_draws_nothing(phone: Page, sqlite_url: str) -> None:
    finger = phone.context.new_cdp_session(phone)
    ((first, *others),) = on_the_screen(phone, SEVEN)
    palm = (first[0], first[1] + 200)
    touch(finger, "touchStart", first)
    touch(finger, "touchStart", first, palm)
    for x, y in others:
        touch(finger, "touchMove", (x, y), (palm[0] + x - first[0], palm[1]))
    touch(finger, "touchEnd")
    state(phone).to_contain_text("number 1.")

    assert stored(sqlite_url) == ["7"]
    assert phone.evaluate("scrollY") == 0


def test_a_finger_that_the_browser_takes_away_loses_nothing(phone: Page, sqlite_url: str) -> None:
    finger = phone.context.new_cdp_session(phone)
    ((first, *others),) = on_the_screen(phone, ONE)
    touch(finger, "touchStart", first)
    for point in others:
        touch(finger, "touchMove", point)
    touch(finger, "touchCancel")
    state(phone).to_contain_text("number 1.")
    by_touch(phone, finger, SEVEN)
    state(phone).to_contain_text("number 2.")
    assert stored(sqlite_url) == ["1", "7"]


def test_strokes_stay_when_the_window_changes_in_the_middle(page: Page, sqlite_url: str) -> None:
    hold_time(page)
    by_mouse(page, FOUR[:1])
    page.set_viewport_size({"width": 500, "height": 700})
    wait_until(lambda: page.locator("canvas.pad").evaluate("pad => pad.width") < 450, "the pad is smaller")
    assert ink(page) > 0
    by_mouse(page, FOUR[1:])
    page.keyboard.press("Enter")
    state(page).to_contain_text("number 1.")
    assert stored(sqlite_url) == ["4"]


def test_the_pad_is_square_and_nothing_scrolls_sideways_on_any_screen(page: Page) -> None:
    for width, height in [(1200, 850), (390, 844), (320, 568), (667, 375), (844, 390)]:
        page.set_viewport_size({"width": width, "height": height})
        box = page.locator("canvas.pad").bounding_box()
        assert box
        assert abs(box["width"] - box["height"]) < 1
        assert box["width"] >= 240
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_theme_and_the_density_of_the_screen_change_no_pixel(browser: Browser, site: str, sqlite_url: str) -> None:
    for number, context in enumerate([{}, {"color_scheme": "dark"}, {"device_scale_factor": 3}], start=1):
        with open_page(browser, site, **{**DESKTOP, **context}) as page:
            by_mouse(page, SEVEN)
            page.keyboard.press("Enter")
            state(page).to_contain_text(f"number {number}.")
    one, dark, dense = (row["pixels"] for row in rows(sqlite_url, "SELECT pixels FROM drawings ORDER BY prediction_id"))

    assert dark == one
    assert dense == one


def test_the_picture_is_what_the_network_sees_and_the_bars_are_in_order(page: Page, service: Service) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    state(page).to_contain_text("number 1.")
    seen = page.locator("canvas.seen")
    pixels = "seen => [...seen.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)"
    expected = list(drawing_of(service, 1, "?normalised=true"))
    wait_until(lambda: seen.evaluate(pixels) == expected, "the picture is that of the whole drawing")

    bars = page.locator(".bars li")
    assert [bar.split()[0] for bar in bars.all_inner_texts()] == list("0123456789")
    expect(page.locator(".bars .best .digit")).to_have_text("7")


def drawing_of(service: Service, id_: int, query: str = "") -> bytes:
    """The pixels of a drawing, from the service."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request("GET", f"/results/{id_}/drawing.png{query}", headers={"X-API-Key": KEY})
    picture = Image.open(io.BytesIO(connection.getresponse().read()))
    connection.close()
    return np.asarray(picture, np.uint8).tobytes()


def labels(database_url: str) -> list[str]:
    return [row["label"] for row in rows(database_url, "SELECT label FROM labels ORDER BY id")]


def test_one_key_says_what_it_was(page: Page, sqlite_url: str) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    state(page).to_contain_text("number 1.")
    for key, said, label in [
        ("y", "Confirmed: it is a 7.", "7"),
        ("1", "Thank you. Labelled as a 1.", "1"),
        ("n", "Thank you. Labelled as not a digit.", "none"),
    ]:
        page.keyboard.press(key)
        state(page).to_have_text(said)
        wait_until(lambda label=label: labels(sqlite_url)[-1:] == [label], f"{label} is stored")
    assert labels(sqlite_url) == ["7", "1", "none"]


def test_one_tap_says_what_it_was(phone: Page, sqlite_url: str) -> None:
    by_touch(phone, phone.context.new_cdp_session(phone), SEVEN)
    state(phone).to_contain_text("number 1.")
    expect(phone.get_by_role("button", name="Right", exact=True)).to_have_attribute("aria-pressed", "false")
    phone.get_by_role("button", name="It is a 1").tap()
    state(phone).to_have_text("Thank you. Labelled as a 1.")

    expect(phone.get_by_role("button", name="It is a 1")).to_have_attribute("aria-pressed", "true")
    assert labels(sqlite_url) == ["1"]
    for button in phone.get_by_role("button").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 44
        assert box["width"] >= 44


def test_nothing_can_be_said_of_a_drawing_that_is_not_stored(page: Page, sqlite_url: str) -> None:
    hold_time(page)
    by_mouse(page, SEVEN)
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="It is a 1")).to_be_disabled()
    page.clock.resume()
    state(page).to_contain_text("number 1.")
    assert labels(sqlite_url) == []


def test_the_first_view_is_small_and_asks_nobody_else(browser: Browser, service: Service, tmp_path: Path) -> None:
    sizes: list[int] = []
    urls: list[str] = []
    with https_in_front(tmp_path, service.port) as front, browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        network = context.new_cdp_session(page)
        network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        network.on("Network.requestWillBeSent", lambda event: urls.append(event["request"]["url"]))
        network.send("Network.enable")
        page.goto(front.url)
        expect(page.locator("canvas.pad")).to_be_visible()
        page.wait_for_load_state("networkidle")

    assert 0 < sum(sizes) <= 60_000
    assert [url for url in urls if not url.startswith(front.url)] == []
