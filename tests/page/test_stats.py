"""The stats on the page: texts, charts and tables match the API; errors are shown."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import PHONE, SharedTab, open_page
from tests.support.percentages import percent
from tests.support.service_process import Client, Service, serving
from tests.support.stats_page import section, wait_until_loaded
from tests.support.stored_rows import BEGIN, random_rows, store

# Enough rows for calibration and drift. One model version has a hostile name.
ROWS = random_rows(1800)
HOSTILE = "<img src=x onerror=alert(1)>"
# The rows end about now, in the page's default period. A timeline has at most 1,000 buckets.
LATER = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=38) - BEGIN
TIME = f"since={BEGIN + LATER:%Y-%m-%dT%H:%M}&until={BEGIN + LATER + timedelta(hours=1000):%Y-%m-%dT%H:%M}"


@pytest.fixture(scope="module")
def filled_service(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with many drawings of two model versions, half of them labelled. Tests only read it."""
    folder = tmp_path_factory.mktemp("filled_service")
    url = f"sqlite:///{shutil.copy(migrated_sqlite_file, folder / 'pixelwise.db')}"
    rows = [
        row._replace(
            model_version=HOSTILE if row.model_version == "v2" else row.model_version,
            created_at=row.created_at and row.created_at + LATER,
        )
        for row in ROWS
    ]
    store(url, rows, drawings=True)
    with serving(url, folder) as running:
        yield running


@pytest.fixture(scope="module")
def all_stats(browser: Browser, filled_service: Service) -> Iterator[Page]:
    """The stats of all drawings, opened without a key. Tests only read them."""
    with open_page(browser, address(filled_service, "last=all"), key=None) as page:
        wait_until_loaded(page)
        yield page


@pytest.fixture
def stats_page(shared_tab: SharedTab, filled_service: Service) -> Iterator[Page]:
    """The same, for tests that select others."""
    with shared_tab.open(address(filled_service, "last=all"), key=None) as page:
        wait_until_loaded(page)
        yield page


def address(service: Service, query: str = "") -> str:
    return f"http://127.0.0.1:{service.port}/#/stats?{query}"


def api(service: Service, path: str) -> Any:
    with Client(service.port) as client:
        reply = client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()


def figure(page: Page, title: str, figure_title: str) -> Locator:
    heading = page.get_by_role("heading", name=figure_title, exact=True)
    return section(page, title).locator("figure").filter(has=heading)


def table_of(shown: Locator) -> list[list[str]]:
    """Open the table of a figure, and return its cells."""
    shown.get_by_text("As a table").click()
    expect(shown.get_by_role("table")).to_be_visible()
    rows: list[list[str]] = shown.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return rows


def test_totals_match_the_api(all_stats: Page, filled_service: Service) -> None:
    stats = api(filled_service, "/stats")
    tiles = section(all_stats, "Totals").locator(".tiles > div").all_inner_texts()

    assert f"{stats['count']:,}" in tiles[0]
    assert percent(stats["mean_confidence"]) in tiles[1]
    for tile, accuracy in zip(tiles[2:4], (stats["accuracy_random"], stats["accuracy"]), strict=True):
        low, high = map(percent, accuracy["interval"])
        assert percent(accuracy["accuracy"]) in tile
        assert f"{low} to {high}" in tile
        assert f"{accuracy['correct']:,} of {accuracy['labelled']:,} right" in tile
    assert percent(stats["not_a_digit_share"]) in tiles[4]
    totals = section(all_stats, "Totals")
    expect(totals).to_contain_text("unbiased accuracy")
    labelled = stats["accuracy"]
    none, found, digits, refused = labelled["digit_or_not"].values()
    expect(totals).to_contain_text(
        f"Drawings labelled “not a digit” ({labelled['not_a_digit']}) count as wrong; of the others,"
        f" {percent(labelled['accuracy_of_digits'])} are right. The model took {found} of {none} of them for no digit,"
        f" and {refused} of {digits} digits."
    )
    versions = totals.get_by_role("region", name="Model versions compared")
    shares = [percent(version["not_a_digit_share"]) for version in stats["model_versions"].values()]
    assert versions.locator("tbody td:nth-child(4)").all_inner_texts() == shares

    digits = table_of(figure(all_stats, "Totals", "Predicted digits"))
    assert [row[:2] for row in digits] == [[digit, f"{one['count']:,}"] for digit, one in stats["digits"].items()]
    histogram = table_of(figure(all_stats, "Totals", "Confidence"))
    assert [row[1] for row in histogram] == [f"{one['count']:,}" for one in stats["confidence_histogram"]]
    assert (
        figure(all_stats, "Totals", "Predicted digits").locator("rect").count()
        == len(stats["confidence_histogram"])
        == 10
    )


def test_timelines_match_the_api_for_each_version(shared_tab: SharedTab, filled_service: Service) -> None:
    buckets = api(filled_service, f"/stats/timeline?bucket=hour&{TIME}")["buckets"]
    versions = [one for bucket in buckets for one in bucket["model_versions"].items()]
    assert len(buckets) == 1000
    assert {name for name, _ in versions} == {"v1", HOSTILE}

    with shared_tab.open(address(filled_service, f"bucket=hour&{TIME}"), key=None) as page:
        wait_until_loaded(page)
        sure = figure(page, "Over time", "Mean confidence")
        right = figure(page, "Over time", "Accuracy with its 95 % interval")
        expect(sure.locator("path.line")).to_have_count(2)
        expect(right.locator("path.band")).to_have_count(2)
        expect(sure.locator("text.name").filter(has_text="<img src=x")).to_be_visible()
        assert [row[1:] for row in table_of(sure)] == [
            [name, f"{one['count']:,}", percent(one["mean_confidence"])] for name, one in versions
        ]
        assert [row[2] for row in table_of(right)] == [str(one["accuracy"]["labelled"]) for _, one in versions]


def test_calibration_matches_the_api_for_the_random_sample(all_stats: Page, filled_service: Service) -> None:
    found = api(filled_service, "/stats/calibration?sample=random")
    assert found["status"] == "ok"

    shown = section(all_stats, "Calibration")
    expect(shown).to_contain_text(
        f"Mean confidence {percent(found['mean_confidence'])}, accuracy {percent(found['accuracy'])}"
    )
    expect(shown).to_contain_text(f"all {found['labelled']} labelled drawings of the random sample")
    expect(shown).to_contain_text(f"calibration error is {found['expected_calibration_error']:.3f}")
    bins = table_of(figure(all_stats, "Calibration", "Accuracy by confidence"))
    assert [row[1:4] for row in bins] == [
        [str(one["count"]), percent(one["mean_confidence"], 4), percent(one["accuracy"])] for one in found["bins"]
    ]
    honest = [one["interval"][0] <= one["mean_confidence"] <= one["interval"][1] for one in found["bins"]]
    assert [row[-1] for row in bins] == ["yes" if one else "no" for one in honest]
    assert shown.locator("svg .bin.off").count() == honest.count(False)


def test_drift_signals_show_reference_and_window(all_stats: Page, filled_service: Service) -> None:
    found = api(filled_service, "/stats/drift")
    shown = section(all_stats, "Drift")

    expect(shown.locator(".verdict")).to_have_text({"drift": "Drift", "no drift": "No drift"}[found["status"]])
    expect(shown.locator("figure")).to_have_count(len(found["signals"]))
    for place, signal in enumerate(found["signals"]):
        rows = table_of(shown.locator("figure").nth(place))
        assert [row[1] for row in rows] == [percent(share) for share in signal["histogram"]["reference"]]
        assert [row[2] for row in rows] == [percent(share) for share in signal["histogram"]["window"]]
        assert shown.locator("figure").nth(place).locator("rect").count() == 2 * len(rows)


def test_model_versions_match_the_api(all_stats: Page, filled_service: Service) -> None:
    models = api(filled_service, "/models")["models"]
    shown = section(all_stats, "Model versions").locator("article").all_inner_texts()

    # The loaded model has answered nothing yet.
    accuracies = [model["accuracy"]["accuracy"] for model in models]
    assert len(shown) == len(models) == 3
    assert [accuracy is None for accuracy in accuracies] == [True, False, False]
    for text, model in zip(shown, models, strict=True):
        assert model["version"] in text
        assert f"{model['predictions']:,} drawings" in text
        assert model["accuracy"]["accuracy"] is None or percent(model["accuracy"]["accuracy"]) in text
        assert (model["sha256"][:12] if model["sha256"] else "unknown") in text


def test_selection_is_in_the_url_and_restored_by_going_back(stats_page: Page, filled_service: Service) -> None:
    stats_page.get_by_label("Drawings", exact=True).select_option("100")
    expect(stats_page.locator(".tiles .value").first).to_have_text("100")
    stats_page.get_by_label("Model version", exact=True).select_option(HOSTILE)
    expect(section(stats_page, "Totals").locator("tbody")).to_have_count(0)
    wait_until_loaded(stats_page)
    assert "last=100&model_version=%3Cimg" in stats_page.url
    only = api(filled_service, f"/stats?last=100&model_version={HOSTILE.replace(' ', '%20')}")
    expect(stats_page.locator(".tiles .value").nth(1)).to_have_text(percent(only["mean_confidence"]))

    stats_page.go_back()
    stats_page.go_back()

    expect(stats_page.get_by_label("Drawings", exact=True)).to_have_value("all")
    expect(stats_page.get_by_label("Model version", exact=True)).to_have_value("")
    expect(stats_page.locator(".tiles .value").first).to_have_text(f"{len(ROWS):,}")


def test_period_is_selected_in_utc(stats_page: Page, filled_service: Service) -> None:
    stats_page.get_by_label("Drawings", exact=True).select_option("time")
    since, until = (f"{BEGIN + LATER + timedelta(days=days):%Y-%m-%dT%H:%M}" for days in (20, 21))
    stats_page.get_by_label("From (UTC)").fill(since)
    stats_page.get_by_label("Before (UTC)").fill(until)

    one_day = api(filled_service, f"/stats?since={since}Z&until={until}Z")["count"]
    assert 0 < one_day < len(ROWS)
    expect(stats_page.locator(".tiles .value").first).to_have_text(str(one_day))
    wait_until_loaded(stats_page)
    assert stats_page.url.endswith(f"since={since}&until={until}")


def test_failed_section_shows_its_error_beside_the_others(shared_tab: SharedTab, filled_service: Service) -> None:
    with shared_tab.open(address(filled_service, "since=2024-01-01&bucket=hour"), key=None) as page:
        wait_until_loaded(page)

        expect(section(page, "Over time").get_by_role("alert")).to_contain_text("buckets are more than 1,000")
        assert page.get_by_role("alert").count() == 1
        expect(page.locator(".tiles .value").first).not_to_have_text("0")


def test_section_says_itself_why_its_own_retry_failed(stats_page: Page) -> None:
    drift = "**/api/stats/drift*"
    problem = "application/problem+json"
    stats_page.route(drift, lambda route: route.fulfill(status=500, content_type=problem, body="{}"))
    stats_page.get_by_role("button", name="Reload").click()
    alert = section(stats_page, "Drift").get_by_role("alert")
    expect(alert).to_contain_text("Something went wrong inside PixelWise.")
    stats_page.unroute_all()
    stats_page.route(drift, lambda route: route.abort())
    alert.get_by_role("button", name="Try again now").click()
    expect(alert).to_contain_text("PixelWise cannot be reached. The values below are older.")
    stats_page.unroute_all()
    alert.get_by_role("button", name="Try again now").click()
    expect(alert).to_be_hidden()
    wait_until_loaded(stats_page)


def test_old_stats_stay_while_the_service_is_unreachable(stats_page: Page) -> None:
    stats_page.context.set_offline(True)
    stats_page.get_by_role("button", name="Reload").click()

    # One message for all sections.
    expect(stats_page.get_by_role("alert")).to_have_count(1)
    expect(stats_page.get_by_role("alert")).to_contain_text("PixelWise cannot be reached")
    expect(stats_page.locator(".tiles .value").first).to_have_text(f"{len(ROWS):,}")
    assert figure(stats_page, "Totals", "Predicted digits").locator("rect").count() == 10

    stats_page.context.set_offline(False)
    expect(stats_page.get_by_role("alert")).to_have_count(0)
    wait_until_loaded(stats_page)


def test_every_chart_has_a_text_alternative(all_stats: Page) -> None:
    pictures = all_stats.locator("figure svg")
    names = [picture.get_attribute("aria-label") or "" for picture in pictures.all()]

    # Two of the totals, three over time, one of calibration, nine of drift.
    assert len(names) == len(set(names)) == 15
    # A title and a sentence of its own.
    assert all(name.count(". ") and name.endswith(".") for name in names)
    assert {picture.get_attribute("role") for picture in pictures.all()} == {"img"}


def test_stats_fit_the_width_of_a_phone(shared_phone: SharedTab, filled_service: Service) -> None:
    with shared_phone.open(address(filled_service, "last=all"), key=None) as page:
        wait_until_loaded(page)
        for summary in page.get_by_text("As a table").all():
            summary.tap()
        width = PHONE["viewport"]["width"]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        # Charts are drawn for this width, so their texts are not scaled down.
        assert {
            page.evaluate("(svg) => svg.clientWidth <= innerWidth", svg)
            for svg in page.query_selector_all("figure svg")
        } == {True}
        sizes = page.locator("figure svg text").evaluate_all(
            "texts => texts.map((text) => text.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 12
        # Nothing lies outside its chart.
        outside = page.locator("figure svg").evaluate_all(
            """pictures => pictures.flatMap((picture) => {
              const frame = picture.getBoundingClientRect();
              return [...picture.querySelectorAll("text, rect")].filter((one) => {
                const { left, right } = one.getBoundingClientRect();
                return left < frame.left - 1 || right > frame.right + 1;
              }).map((one) => one.outerHTML);
            })"""
        )
        assert outside == []
