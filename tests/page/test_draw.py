"""Drawing on the page: what is stored, shown and labelled."""

import io
from http.client import HTTPConnection
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import DESKTOP, open_page, pause_clock
from tests.support.digit_strokes import FOUR, ONE, SEVEN, by_mouse, by_touch, on_the_screen, touch
from tests.support.draw_page import stored_digits
from tests.support.nginx import Front
from tests.support.service import KEY, rows
from tests.support.service_process import Service
from tests.support.waiting import wait_until

DOT = [[(0.5, 0.5)]]


def state(page: Page) -> Any:
    return expect(page.locator(".state"))


def ink(page: Page) -> int:
    """Count the pad's pixels with ink."""
    count = "pad => pad.getContext('2d').getImageData(0, 0, pad.width, pad.height).data.filter((_, i) => i % 4 === 3)"
    return int(page.locator("canvas.pad").evaluate(f"{count}.filter(Boolean).length"))


def test_two_strokes_are_stored_as_one_drawing_after_a_pause(page: Page, sqlite_url: str) -> None:
    pause_clock(page)
    by_mouse(page, FOUR[:1])
    page.clock.run_for(900)
    by_mouse(page, FOUR[1:])
    page.clock.run_for(900)
    state(page).to_have_text("This will be stored in a moment. Draw on to add to it.")
    expect(page.locator(".digit-read")).to_have_text("4")
    assert stored_digits(sqlite_url) == []

    page.clock.run_for(100)
    state(page).to_have_text("Stored as number 1. Is it right?")
    assert stored_digits(sqlite_url) == ["4"]


def test_nothing_is_stored_while_the_pen_is_pressed(page: Page, sqlite_url: str) -> None:
    pause_clock(page)
    ((first, *others),) = on_the_screen(page, SEVEN)
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point, steps=5)
    page.clock.run_for(100)
    expect(page.locator(".digit-read")).to_have_text("7")
    page.keyboard.press("Enter")
    page.clock.run_for(1500)
    assert stored_digits(sqlite_url) == []

    page.mouse.up()
    page.clock.run_for(1000)
    state(page).to_contain_text("number 1.")
    assert stored_digits(sqlite_url) == ["7"]


def expect_next_number(page: Page, number: int) -> None:
    """Store a one, and expect that nothing else has taken its number."""
    by_mouse(page, ONE)
    page.keyboard.press("Enter")
    state(page).to_contain_text(f"number {number}.")


def test_enter_stores_and_the_next_stroke_starts_a_new_drawing(page: Page, sqlite_url: str) -> None:
    pause_clock(page)
    for number, (digit, strokes) in enumerate([("7", SEVEN), ("1", ONE), ("4", FOUR)], start=1):
        by_mouse(page, strokes)
        page.keyboard.press("Enter")
        state(page).to_contain_text(f"number {number}.")
        expect(page.locator(".digit-read")).to_have_text(digit)
    page.keyboard.press("Enter")
    page.clock.run_for(1200)
    expect_next_number(page, 4)
    assert stored_digits(sqlite_url) == ["7", "1", "4", "1"]


def test_last_stroke_can_be_undone_by_key_and_button(page: Page, sqlite_url: str) -> None:
    pause_clock(page)
    by_mouse(page, [*ONE, FOUR[0]])
    page.keyboard.press("z")
    expect(page.locator(".digit-read")).to_have_text("1")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".digit-read")).to_be_empty()
    assert ink(page) == 0

    by_mouse(page, ONE)
    page.keyboard.press("Enter")
    state(page).to_contain_text("number 1.")
    assert stored_digits(sqlite_url) == ["1"]


@pytest.mark.parametrize("way", ["Escape", "button"])
def test_cleared_drawing_is_not_stored(page: Page, sqlite_url: str, way: str) -> None:
    pause_clock(page)
    by_mouse(page, SEVEN)
    page.clock.run_for(100)
    expect(page.locator(".digit-read")).to_have_text("7")
    if way == "button":
        page.get_by_role("button", name="Clear").click()
    else:
        page.keyboard.press(way)
    page.clock.run_for(1200)

    assert ink(page) == 0
    expect(page.locator(".digit-read")).to_be_empty()
    expect_next_number(page, 1)
    assert stored_digits(sqlite_url) == ["1"]


def test_empty_pad_and_dot_are_not_stored(page: Page, sqlite_url: str) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    pause_clock(page)
    page.keyboard.press("Enter")
    state(page).to_have_text("Draw something first.")
    by_mouse(page, DOT)
    state(page).to_contain_text("only a dot")
    page.clock.run_for(1200)

    assert ink(page) == 0
    expect_next_number(page, 1)
    assert stored_digits(sqlite_url) == ["1"]


def test_stroke_continues_outside_the_pad(page: Page, sqlite_url: str) -> None:
    by_mouse(page, [[(0.3, 0.2), (0.7, 0.2), (0.45, 1.1)]])
    state(page).to_contain_text("number 1.")
    assert stored_digits(sqlite_url) == ["7"]


def test_second_finger_draws_nothing(phone: Page, sqlite_url: str) -> None:
    finger = phone.context.new_cdp_session(phone)
    ((first, *others),) = on_the_screen(phone, SEVEN)
    palm = (first[0], first[1] + 200)
    touch(finger, "touchStart", first)
    touch(finger, "touchStart", first, palm)
    for x, y in others:
        touch(finger, "touchMove", (x, y), (palm[0] + x - first[0], palm[1]))
    touch(finger, "touchEnd")
    state(phone).to_contain_text("number 1.")

    assert stored_digits(sqlite_url) == ["7"]
    assert phone.evaluate("scrollY") == 0


def test_cancelled_touch_keeps_the_stroke(phone: Page, sqlite_url: str) -> None:
    finger = phone.context.new_cdp_session(phone)
    ((first, *others),) = on_the_screen(phone, ONE)
    touch(finger, "touchStart", first)
    for point in others:
        touch(finger, "touchMove", point)
    touch(finger, "touchCancel")
    state(phone).to_contain_text("number 1.")
    by_touch(phone, finger, SEVEN)
    state(phone).to_contain_text("number 2.")
    assert stored_digits(sqlite_url) == ["1", "7"]


def test_strokes_survive_a_window_resize(page: Page, sqlite_url: str) -> None:
    pause_clock(page)
    by_mouse(page, FOUR[:1])
    page.set_viewport_size({"width": 500, "height": 700})
    wait_until(lambda: page.locator("canvas.pad").evaluate("pad => pad.width") < 450, "the pad is smaller")
    assert ink(page) > 0
    by_mouse(page, FOUR[1:])
    page.keyboard.press("Enter")
    state(page).to_contain_text("number 1.")
    assert stored_digits(sqlite_url) == ["4"]


def test_pad_is_square_and_page_fits_every_screen_width(page: Page) -> None:
    for width, height in [(1200, 850), (390, 844), (320, 568), (667, 375), (844, 390)]:
        page.set_viewport_size({"width": width, "height": height})
        box = page.locator("canvas.pad").bounding_box()
        assert box
        assert abs(box["width"] - box["height"]) < 1
        assert box["width"] >= 240
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_theme_and_screen_density_do_not_change_the_pixels(browser: Browser, site: str, sqlite_url: str) -> None:
    for number, context in enumerate([{}, {"color_scheme": "dark"}, {"device_scale_factor": 3}], start=1):
        with open_page(browser, site, **{**DESKTOP, **context}) as page:
            by_mouse(page, SEVEN)
            page.keyboard.press("Enter")
            state(page).to_contain_text(f"number {number}.")
    one, dark, dense = (
        row["pixels"] for row in rows(sqlite_url, "SELECT pixels FROM v_drawings ORDER BY prediction_id")
    )

    assert dark == one
    assert dense == one


def test_page_shows_the_normalised_drawing_and_scores_by_digit(page: Page, service: Service) -> None:
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
    """Fetch the pixels of a drawing from the service."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request("GET", f"/results/{id_}/drawing.png{query}", headers={"X-API-Key": KEY})
    picture = Image.open(io.BytesIO(connection.getresponse().read()))
    connection.close()
    return np.asarray(picture, np.uint8).tobytes()


def labels(database_url: str) -> list[str]:
    return [row["label"] for row in rows(database_url, "SELECT label FROM labels ORDER BY id")]


def test_one_key_labels_the_drawing(page: Page, sqlite_url: str) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    state(page).to_contain_text("number 1.")
    for key, message, label in [
        ("y", "Confirmed: it is a 7.", "7"),
        ("1", "Thank you. Labelled as a 1.", "1"),
        ("n", "Thank you. Labelled as not a digit.", "none"),
    ]:
        page.keyboard.press(key)
        state(page).to_have_text(message)
        wait_until(lambda label=label: labels(sqlite_url)[-1:] == [label], f"{label} is stored")
    assert labels(sqlite_url) == ["7", "1", "none"]


def test_double_click_stores_one_label(page: Page, sqlite_url: str) -> None:
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    state(page).to_contain_text("number 1.")
    page.get_by_role("button", name="It is a 1").dblclick()
    page.get_by_role("button", name="It is a 4").click()
    page.get_by_role("button", name="It is a 1").click()
    wait_until(lambda: len(labels(sqlite_url)) >= 3, "all labels are stored")
    assert labels(sqlite_url) == ["1", "4", "1"]


def test_one_tap_labels_the_drawing(phone: Page, sqlite_url: str) -> None:
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


def test_empty_pad_cannot_be_labelled(page: Page, sqlite_url: str) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="It is a 1")).to_be_hidden()
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    state(page).to_have_text("Stored as number 1. Is it right?")
    assert labels(sqlite_url) == []


@pytest.mark.parametrize("behind", ["nginx", "nothing"])
def test_first_view_is_small_and_requests_no_other_host(browser: Browser, site: str, front: Front, behind: str) -> None:
    address = front.url if behind == "nginx" else site
    sizes: list[int] = []
    urls: list[str] = []
    with browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        network = context.new_cdp_session(page)
        network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        network.on("Network.requestWillBeSent", lambda event: urls.append(event["request"]["url"]))
        network.send("Network.enable")
        page.goto(f"{address}#key={KEY}")
        expect(page.locator("canvas.pad")).to_be_visible()
        page.wait_for_load_state("networkidle")

    assert 0 < sum(sizes) <= 60_000
    assert len([url for url in urls if url.endswith("/keys/current")]) == 1
    assert [url for url in urls if not url.startswith(address)] == []
