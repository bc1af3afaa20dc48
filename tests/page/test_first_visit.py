"""The first visit: the page says what it is, shows nothing that cannot be used, and takes a drawing back."""

from playwright.sync_api import Page, expect

from tests.support.browser import SharedTab
from tests.support.digit_strokes import ONE, SEVEN, by_mouse
from tests.support.draw_page import draw_seven, stored_ids
from tests.support.results_page import WAYS_TO_LOSE_AN_ANSWER, send
from tests.support.service import KEY, rows
from tests.support.service_process import Service
from tests.support.waiting import wait_until

PURPOSE = "PixelWise reads the digit that you draw, and keeps every drawing with its answer."


def test_empty_pad_says_what_the_page_is_and_shows_nothing_dead(page: Page) -> None:
    expect(page.get_by_text(PURPOSE)).to_be_visible()
    expect(page.locator(".hint")).to_contain_text("Draw a digit here")
    expect(page.get_by_role("list", name="Score of each digit")).to_be_hidden()
    names = [button.inner_text() for button in page.locator("main").get_by_role("button").all()]
    assert names == ["Use an image"]
    assert page.locator("main button:disabled:visible").count() == 0

    draw_seven(page)
    expect(page.get_by_text(PURPOSE)).to_be_hidden()
    expect(page.get_by_role("list", name="Score of each digit")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text(PURPOSE)).to_be_visible()


def test_bars_are_shown_once_there_is_an_answer(page: Page) -> None:
    expect(page.locator("canvas.pad")).to_be_visible()
    page.context.route("**/api/**", lambda route: route.abort())
    by_mouse(page, SEVEN)
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_have_text("Not stored yet.")
    expect(page.get_by_role("button", name="It is a 7")).to_be_enabled()
    expect(page.get_by_text("Details")).to_be_hidden()
    page.context.unroute_all()
    page.get_by_role("button", name="Try again now").click()
    expect(page.get_by_role("list", name="Score of each digit")).to_be_visible()


def test_visit_without_a_key_says_that_one_is_needed(shared_tab: SharedTab, site: str) -> None:
    with shared_tab.open(site, key=None) as page:
        expect(page.get_by_text("Reading needs the API key.")).to_be_visible()
        page.get_by_role("button", name="Enter a key").click()
        page.get_by_label("Key", exact=True).fill(KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Reading needs the API key.")).to_be_hidden()


def test_notice_does_not_say_that_a_cleared_drawing_is_kept(shared_tab: SharedTab, site: str) -> None:
    with shared_tab.open(site, key=None) as page:
        page.locator("canvas.pad").hover()
        page.mouse.down()
        page.mouse.move(500, 500, steps=5)
        expect(page.get_by_text("Your drawing is kept")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_text("Your drawing is kept")).to_be_hidden()
        page.mouse.up()


def test_button_that_people_need_is_the_most_prominent(page: Page) -> None:
    draw_seven(page)
    expect(page.locator("button.primary:visible")).to_have_text(["Right"])
    page.get_by_role("button", name="Right", exact=True).click()
    expect(page.locator(".state")).to_have_text("Confirmed: it is a 7.")
    expect(page.locator("button.primary:visible")).to_have_count(0)


def test_stored_drawing_is_deleted_after_a_question(page: Page, sqlite_url: str) -> None:
    draw_seven(page)
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete prediction 1?")
    expect(dialog).to_contain_text("It cannot be undone.")
    dialog.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("button", name="Delete")).to_be_focused()
    assert stored_ids(sqlite_url) == [1]

    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete permanently").click()
    expect(page.locator(".state")).to_have_text("Deleted.")
    expect(page.locator("canvas.pad")).to_be_focused()
    expect(page.get_by_role("button", name="Delete")).to_be_hidden()
    assert stored_ids(sqlite_url) == []
    draw_seven(page, 2)
    assert stored_ids(sqlite_url) == [2]


def test_deletion_that_fails_keeps_the_drawing_and_says_so(page: Page, service: Service, sqlite_url: str) -> None:
    draw_seven(page)
    page.route("**/api/results/1", WAYS_TO_LOSE_AN_ANSWER[0])
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert").filter(has_text="PixelWise cannot be reached.")).to_be_visible()
    page.unroute_all()
    send(service, "PUT", "/results/1/label", {"label": "7"})
    page.get_by_role("button", name="Try again now").click()
    expect(page.get_by_role("dialog")).to_contain_text("its label")
    assert stored_ids(sqlite_url) == [1]


def test_notice_moves_no_control_in_use(page: Page, sqlite_url: str) -> None:
    draw_seven(page)
    controls = page.locator("canvas.pad, .tools button:visible, .labeller button")
    places = "found => found.map((one) => [one.getBoundingClientRect().top, one.getBoundingClientRect().left])"
    before = controls.evaluate_all(places)
    page.context.route("**/api/**", lambda route: route.abort())
    page.get_by_role("button", name="It is a 1").click()
    expect(page.get_by_text("Your label is kept and will be stored.")).to_be_visible()
    assert controls.evaluate_all(places) == before
    page.context.unroute_all()
    page.get_by_role("button", name="Try again now").click()
    wait_until(lambda: rows(sqlite_url, "SELECT label FROM labels"), "the label is stored")
    by_mouse(page, ONE)
