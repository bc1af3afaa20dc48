"""The stats of few drawings, few labels or two models: the page says what is missing, and shows no other selection."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.results_page import go
from tests.support.service import execute
from tests.support.stats_page import section, wait_until_loaded
from tests.support.stored_rows import random_rows, store


def test_page_says_how_much_data_is_missing(page: Page, sqlite_url: str) -> None:
    store(sqlite_url, [row._replace(sampled=False) for row in random_rows(40)], drawings=True)
    page.get_by_role("link", name="Stats").click()
    wait_until_loaded(page)

    labelled = sum(row.label is not None for row in random_rows(40))
    calibration, drift = section(page, "Calibration"), section(page, "Drift")
    expect(calibration.locator(".verdict")).to_have_text("Not enough data")
    expect(calibration).to_contain_text(f"{labelled} labels of 200; {200 - labelled} are missing")
    expect(drift.locator(".verdict")).to_have_text("Not enough data")
    expect(drift).to_contain_text("Missing: 260 newest and 300 before them")
    expect(section(page, "Totals")).to_contain_text("no labels yet")


def test_accuracy_of_a_few_labels_is_no_large_figure(page: Page, sqlite_url: str) -> None:
    rows = [row._replace(labels=("7",) if row.id <= 6 else (), prediction="7") for row in random_rows(40)]
    store(sqlite_url, rows, drawings=True)
    page.get_by_role("link", name="Stats").click()
    wait_until_loaded(page)

    tile = section(page, "Totals").locator(".tiles > div").filter(has_text="Accuracy, all labels")
    expect(tile.locator(".value")).to_have_text("\u2013")
    expect(tile).to_contain_text("6 of 6 right; 24 more needed")
    tile.get_by_role("link", name="Label some in Review").click()
    expect(page).to_have_title("Review · PixelWise")


def test_page_says_that_there_are_no_drawings(page: Page) -> None:
    page.get_by_role("link", name="Stats").click()
    wait_until_loaded(page)

    expect(section(page, "Totals")).to_contain_text("There are no drawings here. Draw one.")
    expect(section(page, "Over time")).to_contain_text("There are no drawings in this period.")
    assert page.locator("figure svg:visible").count() == 0


def test_drift_of_a_period_without_a_beginning_is_not_that_of_the_newest(page: Page, sqlite_url: str) -> None:
    store(sqlite_url, random_rows(40), drawings=True)
    go(page, "#/stats?until=2026-03-05T00:00")
    wait_until_loaded(page)
    drift = section(page, "Drift")
    choose = "Choose From, earlier than Before, to see the drift of a period."
    expect(drift).to_contain_text(choose)
    expect(drift).not_to_contain_text("drawings")
    go(page, "#/stats?since=2026-03-05T00:00&until=2026-03-05T00:00")
    wait_until_loaded(page)
    expect(drift).to_contain_text(choose)
    page.get_by_label("From (UTC)").fill("2026-03-01T00:00")
    page.get_by_label("From (UTC)").press("Enter")
    expect(drift).to_contain_text("Each side needs 300 drawings.")
    expect(drift).not_to_contain_text("Choose From")


def test_drift_shows_no_signal_of_the_version_that_was_selected_before(page: Page, sqlite_url: str) -> None:
    rows = [
        row._replace(model_version="new", not_a_digit=0.1)
        if row.id % 2
        else row._replace(model_version="old", not_a_digit=None)
        for row in random_rows(1500)
    ]
    store(sqlite_url, rows, drawings=True)
    go(page, "#/stats?since=2026-03-16T00:00&model_version=new")
    wait_until_loaded(page)
    signal = section(page, "Drift").get_by_role("heading", name="Not a digit")
    expect(signal).to_be_visible()
    version = page.get_by_label("Model version", exact=True)
    version.select_option("old")
    expect(section(page, "Drift")).to_contain_text("corrected for 8 signals")
    expect(signal).to_be_hidden()
    version.select_option("new")
    expect(signal).to_be_visible()


@pytest.mark.parametrize(("wrong", "p_value"), [(2, "p = 0.50"), (6, "p = 0.031"), (40, "p < 0.001")])
def test_comparison_with_a_shadow_model_has_its_p_value_and_says_which_drawings_have_labels(
    page: Page, sqlite_url: str, wrong: int, p_value: str
) -> None:
    rows = [row._replace(labels=("7",), prediction="1" if row.id <= wrong else "7") for row in random_rows(40)]
    store(sqlite_url, rows)
    execute(
        sqlite_url,
        "INSERT INTO shadow_predictions (prediction_id, model_sha256, model_version, prediction, confidence)"
        " SELECT id, 'c', 'v9', '7', 1 FROM predictions",
    )
    go(page, "#/stats?last=all")
    wait_until_loaded(page)
    expect(section(page, "Model versions")).to_contain_text(f"(McNemar, {p_value})")
    expect(section(page, "Model versions")).to_contain_text("which favours any other model")


def test_drift_after_a_change_of_the_model_names_the_remedy(page: Page, sqlite_url: str) -> None:
    rows = [row._replace(confidence=row.confidence / 2) if row.id <= 400 else row for row in random_rows(1400)]
    store(sqlite_url, rows, drawings=True)
    go(page, "#/stats?last=all")
    wait_until_loaded(page)
    drift = section(page, "Drift")
    expect(drift.locator(".verdict")).to_have_text("Drift")
    expect(drift).to_contain_text("After a change of the model, select its version")
