"""Images in place of drawings: chosen, photographed, pasted and dropped; read, labelled and deleted like drawings."""

import base64
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import SharedTab, expect_warning
from tests.support.digit_images import encoded, picture
from tests.support.digit_strokes import FOUR, ONE, by_mouse
from tests.support.draw_page import stored_digits
from tests.support.results_page import labels

API = "**/api/**"
PAPER: Final = {digit: encoded(picture(digit)) for digit in ("4", "7")}


def choose(page: Page, content: bytes, kind: str = "image/png") -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Image").click()
    chooser.value.set_files([{"name": "seven.png", "mimeType": kind, "buffer": content}])


def bring(page: Page, event: str, *images: bytes) -> None:
    """Paste or drop images."""
    page.evaluate(
        """([event, images]) => {
          const data = new DataTransfer();
          for (const image of images) {
            const bytes = Uint8Array.from(atob(image), (one) => one.charCodeAt(0));
            data.items.add(new File([bytes], "image.png", {type: "image/png"}));
          }
          const made = event === "paste"
            ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
            : new DragEvent(event, {dataTransfer: data, bubbles: true, cancelable: true});
          document.body.dispatchEvent(made);
        }""",
        [event, [base64.b64encode(image).decode() for image in images]],
    )


def expect_stored(page: Page, number: int) -> None:
    expect(page.locator(".state")).to_contain_text(f"number {number}.")


def test_chosen_image_is_shown_as_the_network_sees_it_and_handled_like_a_drawing(page: Page, sqlite_url: str) -> None:
    choose(page, PAPER["7"])
    expect_stored(page, 1)
    expect(page.locator(".digit-read")).to_have_text("7")
    seen = page.get_by_role("img", name="Your image as the network sees it")
    expect(seen).to_have_js_property("naturalWidth", 28)
    page.keyboard.press("y")
    expect(page.locator(".state")).to_have_text("Confirmed: it is a 7.")
    assert labels(sqlite_url) == [(1, "7")]

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete permanently").click()
    expect(page.locator(".state")).to_have_text("Deleted.")
    expect(seen).to_be_hidden()
    assert stored_digits(sqlite_url) == []


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_pasted_or_dropped_image_is_stored_after_what_is_on_the_pad(page: Page, sqlite_url: str, event: str) -> None:
    by_mouse(page, ONE)
    bring(page, event, PAPER["7"], PAPER["4"])
    expect_stored(page, 2)
    assert stored_digits(sqlite_url) == ["1", "7"]
    # The next stroke begins a new drawing.
    by_mouse(page, FOUR)
    expect(page.locator("img.picture")).to_be_hidden()
    page.keyboard.press("Enter")
    expect_stored(page, 3)
    assert stored_digits(sqlite_url) == ["1", "7", "4"]


def test_phone_takes_a_photo_with_its_camera(phone: Page, sqlite_url: str) -> None:
    with phone.expect_file_chooser() as chooser:
        phone.get_by_role("button", name="Take a photo").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    assert chooser.value.element.get_attribute("accept") == "image/*"
    chooser.value.set_files([{"name": "photo.png", "mimeType": "image/png", "buffer": PAPER["7"]}])
    expect_stored(phone, 1)
    assert stored_digits(sqlite_url) == ["7"]


def test_image_waits_for_the_service_and_closing_the_tab_warns(page: Page, sqlite_url: str) -> None:
    page.context.route(API, lambda route: route.abort())
    choose(page, PAPER["7"])
    expect(page.get_by_text("Your drawing is kept until this tab is closed, and will be stored.")).to_be_visible()
    page.keyboard.press("1")
    expect_warning(page)
    page.context.unroute_all()
    page.get_by_role("button", name="Try again now").click()
    expect(page.locator(".state")).to_have_text("Thank you. Labelled as a 1.")
    assert stored_digits(sqlite_url) == ["7"]
    assert labels(sqlite_url) == [(1, "1")]


def test_waiting_image_is_stored_although_its_file_was_deleted(page: Page, sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "seven.png"
    file.write_bytes(PAPER["7"])
    page.context.route(API, lambda route: route.abort())
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Image").click()
    chooser.value.set_files(file)
    expect(page.locator(".state")).to_have_text("Not stored yet.")
    file.unlink()
    page.context.unroute_all()
    page.get_by_role("button", name="Try again now").click()
    expect_stored(page, 1)
    assert stored_digits(sqlite_url) == ["7"]


def test_image_without_a_digit_is_explained_and_discarded(page: Page, sqlite_url: str) -> None:
    choose(page, b"no image at all")
    expect(page.get_by_role("alert")).to_contain_text("This image cannot be stored.")
    page.get_by_role("button", name="Discard it").click()
    expect(page.locator(".hint")).to_be_visible()
    expect(page.locator("img.picture")).to_be_hidden()
    assert stored_digits(sqlite_url) == []


def test_file_that_cannot_be_an_image_is_refused_at_once(shared_tab: SharedTab, site: str) -> None:
    with shared_tab.open(site) as page:
        sent: list[str] = []
        page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
        choose(page, b"text", "text/plain")
        expect(page.locator(".state")).to_contain_text("That is not an image.")
        page.evaluate(
            """() => {
              const data = new DataTransfer();
              data.items.add(new File([new Uint8Array(8 * 2 ** 20)], "large.png", {type: "image/png"}));
              document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
            }"""
        )
        expect(page.locator(".state")).to_contain_text("larger than 8 MiB")
        assert sent == []


@pytest.mark.parametrize("view", ["draw", "results"])
def test_file_that_is_dropped_does_not_replace_the_page(page: Page, view: str) -> None:
    page.goto(f"{page.url.split('#')[0]}#/{view}")
    expect(page.locator("main")).not_to_be_empty()
    prevented = page.evaluate(
        """() => ["dragover", "drop"].map((kind) => {
          const data = new DataTransfer();
          data.items.add(new File(["text"], "notes.txt", {type: "text/plain"}));
          const event = new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
          return !document.body.dispatchEvent(event);
        })"""
    )
    assert prevented == [True, True]
