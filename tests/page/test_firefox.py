"""The page in Firefox: digits are drawn, stored, labelled and listed."""

from pathlib import Path

from tests.support.digit_strokes import FOUR, ONE, SEVEN
from tests.support.firefox import firefox
from tests.support.results_page import labels
from tests.support.service import KEY, rows
from tests.support.waiting import wait_until

ENTER, ESCAPE, DOWN = "\ue007", "\ue00c", "\ue015"


def test_digits_are_drawn_labelled_and_listed_in_firefox(site: str, sqlite_url: str, tmp_path: Path) -> None:
    # With its protection against fingerprinting, which spoils canvases.
    with firefox(tmp_path, **{"privacy.resistFingerprinting": True}) as browser:
        browser.open(f"{site}#key={KEY}")
        browser.wait_for("document.querySelector('canvas.pad')")
        for number, (pointer, strokes) in enumerate([("mouse", SEVEN), ("touch", ONE), ("mouse", FOUR)], start=1):
            browser.draw(strokes, pointer)
            browser.press(ENTER)
            browser.wait_for(f"document.querySelector('.state').textContent.includes('number {number}.')")
        browser.press("y")
        browser.wait_for("document.querySelector('.state').textContent === 'Confirmed: it is a 4.'")
        browser.evaluate("location.hash = '#/results'")
        browser.wait_for("document.querySelectorAll('.result-row').length === 3")
        browser.press(DOWN, DOWN, ENTER)
        browser.wait_for("document.querySelector('h1')?.textContent === 'Prediction 2'")
        browser.wait_for("document.querySelector('article img')?.naturalWidth === 28")
        browser.press("1")
        browser.wait_for("document.querySelector('.labels')?.textContent.includes('1 by')")
        browser.press(ESCAPE)
        browser.wait_for("document.activeElement.getAttribute('href') === '#/results/2'")
    wait_until(lambda: labels(sqlite_url) == [(3, "4"), (2, "1")], "both labels are stored")
    assert [row["prediction"] for row in rows(sqlite_url, "SELECT prediction FROM predictions ORDER BY id")] == list(
        "714"
    )
