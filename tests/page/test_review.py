"""The review queue on the page: one key for each drawing, and no label lost or stored twice."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import PHONE, SharedTab, open_page
from tests.support.results_page import WAYS_TO_LOSE_AN_ANSWER
from tests.support.review_page import expect_drawing, expect_labels, labels, number, press
from tests.support.review_rows import add_drawings, reviews
from tests.support.service import execute
from tests.support.service_process import Service, serving
from tests.support.waiting import wait_until

LATER_MS = 11 * 60 * 1000
MOST_RESERVED = 100
KEY_NAME = "built-in"  # The key's name, used as the source without a reviewer's name.


@pytest.fixture
def review(page: Page, site: str, sqlite_url: str) -> Page:
    """The review queue with thirty drawings, all predicted as 7."""
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 31)})
    page.goto(f"{site}#/review")
    return page


PICTURES = "performance.getEntriesByType('resource').filter(({name}) => name.includes('drawing.png')).length"


def expect_batch(page: Page) -> None:
    """Wait until ten drawings are loaded, with both pictures of each."""
    expect(page.get_by_text("10 left in this batch")).to_be_visible()
    wait_until(lambda: page.evaluate(PICTURES) == 20, "the pictures of all ten are there")


def test_ten_drawings_are_labelled_by_keys(review: Page, sqlite_url: str) -> None:
    expect_drawing(review)
    name = review.get_by_label("Your name")
    name.fill("anna")
    name.press("Enter")
    given = []
    for key in ("0", "1", "y", "Enter", "2", "s", "n", "ArrowRight", "3", "4", "5", "6"):
        shown = press(review, key)
        if key not in ("s", "ArrowRight"):
            given.append((shown, {"n": "none", "y": "7", "Enter": "7"}.get(key, key), "anna"))
        expect_drawing(review, other_than=shown)
    assert len({id_ for id_, _, _ in given}) == 10, "a drawing was shown twice"
    expect_labels(sqlite_url, given)
    expect(review.get_by_text("10 labelled in this session")).to_be_visible()
    expect(review.get_by_role("button", name="Change the label")).to_have_count(5)


def test_next_drawings_are_shown_before_labels_are_stored(review: Page, service: Service, sqlite_url: str) -> None:
    expect_batch(review)
    service.process.send_signal(signal.SIGSTOP)
    try:
        given = [(press(review, key), key, KEY_NAME) for key in "01234"]
        assert len({id_ for id_, _, _ in given}) == len(given)
        expect_drawing(review)
        assert not labels(sqlite_url)
    finally:
        service.process.send_signal(signal.SIGCONT)
    expect_labels(sqlite_url, given)


def test_two_quick_clicks_label_two_drawings(review: Page, sqlite_url: str) -> None:
    expect_batch(review)
    review.get_by_role("button", name="It is a 4").dblclick()
    wait_until(lambda: len(labels(sqlite_url)) >= 2, "both labels are stored")
    assert len({(id_, label) for id_, label, _ in labels(sqlite_url)}) == 2


def test_prediction_of_a_random_drawing_is_hidden_until_it_is_labelled(review: Page, sqlite_url: str) -> None:
    expect_drawing(review)
    sampled = {id_ for id_, (sampled, _, _) in reviews(sqlite_url).items() if sampled}
    assert number(review) in sampled, "those drawn at random come first"
    bars, right = review.get_by_role("list", name="Score of each digit"), review.get_by_role("button", name="Right")
    expect(bars).to_be_hidden()
    expect(right).to_be_hidden()
    expect(review.locator(".digit-read")).to_have_text("?")
    press(review, "y")
    expect(review.get_by_text("No prediction is shown.")).to_be_visible()
    given = [(press(review, "3"), "3", KEY_NAME)]
    expect(review.get_by_text("the prediction was 7.")).to_be_visible()
    while number(review) in sampled:
        given.append((press(review, "3"), "3", KEY_NAME))
    expect(bars).to_be_visible()
    expect(right).to_be_enabled()
    expect(review.locator(".digit-read")).to_have_text("7")
    expect_labels(sqlite_url, given)


def test_earlier_labels_can_be_changed(review: Page, sqlite_url: str) -> None:
    expect_drawing(review)
    first, second = press(review, "1"), press(review, "2")
    following = number(review)
    press(review, "z")
    assert number(review) == second
    expect(review.get_by_role("button", name="It is a 2")).to_have_attribute("aria-pressed", "true")
    press(review, "z")
    assert number(review) == first
    press(review, "5")
    assert number(review) == following, "after a correction the queue goes on where it was"
    review.get_by_role("button", name=f"Number {second} is labelled 2. Change the label.").click()
    assert number(review) == second
    press(review, "n")
    expect_labels(
        sqlite_url,
        [(first, "1", KEY_NAME), (second, "2", KEY_NAME), (first, "5", KEY_NAME), (second, "none", KEY_NAME)],
    )
    expect(review.get_by_text("2 labelled in this session")).to_be_visible()


def test_held_key_labels_one_drawing(review: Page, sqlite_url: str) -> None:
    expect_drawing(review)
    shown = number(review)
    for _ in range(5):
        review.keyboard.down("4")
    review.keyboard.up("4")
    expect_drawing(review, other_than=shown)
    expect(review.get_by_text("1 labelled in this session")).to_be_visible()
    expect_labels(sqlite_url, [(shown, "4", KEY_NAME)])


def test_drawings_are_labelled_with_a_finger(phone: Page, site: str, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 13)})
    phone.goto(f"{site}#/review")
    expect_drawing(phone)
    given = []
    for name, word in (("It is a 3", "3"), ("It is not a digit", "none"), ("Skip", None), ("Right", "7")):
        button = phone.get_by_role("button", name=name, exact=True)
        box = button.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 44
        assert box["y"] + box["height"] <= PHONE["viewport"]["height"], "a thumb reaches it without scrolling"
        if word:
            given.append((number(phone), word, KEY_NAME))
        button.tap()
    phone.get_by_role("button", name="Back").tap()
    given.append((number(phone), "8", KEY_NAME))
    phone.get_by_role("button", name="It is an 8").tap()
    expect_labels(sqlite_url, given)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_labels_given_during_an_outage_are_stored_once(browser: Browser, sqlite_url: str, tmp_path: Path) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 31)})
    with serving(sqlite_url, tmp_path) as service, open_page(browser, f"http://127.0.0.1:{service.port}/") as page:
        page.goto(f"http://127.0.0.1:{service.port}/#/review")
        expect_batch(page)
        given = [(press(page, "1"), "1", KEY_NAME)]
        expect_labels(sqlite_url, given)
        service.stop()
        given += [(press(page, key), key, KEY_NAME) for key in "23"]
        expect(page.get_by_text("Your 2 labels are kept and will be stored.")).to_be_visible()
        with serving(sqlite_url, tmp_path, port=service.port):
            expect_labels(sqlite_url, given)
            expect(page.locator(".notice:not(:empty)")).to_be_hidden()
            given.append((press(page, "4"), "4", KEY_NAME))
            expect_labels(sqlite_url, given)


@pytest.mark.parametrize("lose", WAYS_TO_LOSE_AN_ANSWER)
def test_label_with_a_lost_response_is_stored_once(
    review: Page, sqlite_url: str, lose: Callable[[Route], None]
) -> None:
    expect_batch(review)
    review.route("**/label", lose, times=1)
    given = [(press(review, "1"), "1", KEY_NAME)]
    expect(review.get_by_text("Your label is kept and will be stored.")).to_be_visible()
    given.append((press(review, "2"), "2", KEY_NAME))
    expect(review.locator(".notice:not(:empty)")).to_be_hidden()
    expect_labels(sqlite_url, given)


def test_unsent_labels_survive_a_reload(review: Page, sqlite_url: str) -> None:
    expect_batch(review)
    review.route("**/label", lambda route: route.abort())
    given = [(press(review, key), key, KEY_NAME) for key in "12"]
    expect(review.get_by_text("Your 2 labels are kept and will be stored.")).to_be_visible()
    review.unroute("**/label")
    review.reload()
    expect_drawing(review)
    assert number(review) not in {id_ for id_, _, _ in given}
    expect_labels(sqlite_url, given)


def test_deleted_drawing_does_not_block_other_labels(review: Page, sqlite_url: str) -> None:
    expect_batch(review)
    deleted = number(review)
    execute(
        sqlite_url,
        f"DELETE FROM reviews WHERE prediction_id = {deleted}",
        f"DELETE FROM drawings WHERE prediction_id = {deleted}",
        f"DELETE FROM predictions WHERE id = {deleted}",
    )
    press(review, "1")
    expect(review.get_by_text(f"Number {deleted} was deleted, so its label was not stored")).to_be_visible()
    expect_labels(sqlite_url, [(press(review, "2"), "2", KEY_NAME)])


def test_drawings_reserved_by_others_are_not_shown_after_a_break(page: Page, site: str, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 100 for id_ in range(1, 31)})
    page.goto(f"{site}#/review")
    # The clock also applies to requests, so wait until none is running.
    expect_batch(page)
    page.clock.install()
    page.clock.fast_forward(LATER_MS)
    expect(page.get_by_role("heading", name="You were away")).to_be_visible()
    expect(page.locator(".offered-drawing img")).to_be_hidden()
    # The service has given these drawings to another reviewer.
    mine = set(reviews(sqlite_url))
    execute(sqlite_url, "UPDATE reviews SET reviewer = 'ben'")
    page.get_by_role("button", name="Go on").click()
    expect_drawing(page)
    assert number(page) not in mine


def test_empty_queue_offers_skipped_drawings_and_drawing(page: Page, site: str, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {1: 0.1, 2: 0.2})
    page.goto(f"{site}#/review")
    expect_drawing(page)
    skipped, labelled = press(page, "s"), press(page, "6")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.locator("main").get_by_role("link", name="Draw")).to_be_visible()
    page.get_by_role("button", name="Show what I skipped (1)").click()
    expect_drawing(page)
    assert press(page, "5") == skipped
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect_labels(sqlite_url, [(labelled, "6", KEY_NAME), (skipped, "5", KEY_NAME)])


def test_queue_without_a_key_asks_for_it_and_reserves_nothing(
    shared_tab: SharedTab, site: str, sqlite_url: str
) -> None:
    add_drawings(sqlite_url, {1: 0.1})
    with shared_tab.open(f"{site}#/review", key=None) as page:
        page.locator("main").get_by_role("button", name="Enter a key").click()
        expect(page.get_by_role("dialog", name="The API key")).to_be_visible()
        expect(page.locator(".offered-drawing img")).to_have_count(0)
        assert not reviews(sqlite_url)


def test_reason_is_said_in_words_without_percentages(page: Page, site: str, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: 0.1 if id_ < 7 else 0.99 for id_ in range(1, 11)})
    sure = [0.99 if digit == 7 else 0.001 for digit in range(10)]
    unsure = [0.42 if digit in (4, 9) else 0.02 for digit in range(10)]
    execute(
        sqlite_url,
        f"UPDATE drawings SET scores = '{sure}' WHERE margin > 0.5",
        f"UPDATE drawings SET scores = '{unsure}' WHERE margin < 0.5",
        "UPDATE drawings SET scores = 'nope' WHERE prediction_id < 4",
    )
    page.goto(f"{site}#/review")
    reasons = set()
    for _ in range(10):
        number(page)
        reasons.add(page.locator(".reason").inner_text())
        press(page, "s")
    assert reasons == {
        "Random sample: say what you see.",
        "The model hesitates between 4 and 9.",
        "Nothing less certain is left to label.",
        "Its scores are not stored.",
    }


def test_enter_agrees_after_a_click_on_a_digit(review: Page, sqlite_url: str) -> None:
    expect_drawing(review)
    sampled = {id_ for id_, (sampled, _, _) in reviews(sqlite_url).items() if sampled}
    while number(review) in sampled:
        press(review, "s")
    clicked = number(review)
    review.get_by_role("button", name="It is a 4").click()
    expect_drawing(review, other_than=clicked)
    agreed = press(review, "Enter")
    expect_labels(sqlite_url, [(clicked, "4", KEY_NAME), (agreed, "7", KEY_NAME)])


def test_drawings_skipped_long_ago_are_offered_again(page: Page, site: str, sqlite_url: str) -> None:
    add_drawings(sqlite_url, {id_: id_ / 1000 for id_ in range(1, 121)})
    page.goto(f"{site}#/review")
    skipped = []
    for _ in range(MOST_RESERVED):
        skipped.append(press(page, "s"))
        expect(page.locator(".state")).to_have_text(f"Number {skipped[-1]} is skipped.")
    assert len(set(skipped)) == MOST_RESERVED
    assert number(page) in skipped[:10]
