"""Swagger UI at `/docs` in a real browser."""

import pytest
from playwright.sync_api import Browser

from tests.support.browser import open_page
from tests.support.service import KEY, rows
from tests.support.service_process import Service


@pytest.mark.parametrize("docs", ["docs", "api/docs"])
def test_example_is_classified_after_authorizing(
    browser: Browser, service: Service, site: str, sqlite_url: str, docs: str
) -> None:
    with open_page(browser, f"{site}{docs}", key=None) as page:
        page.get_by_role("button", name="Authorize").click()
        page.locator(".modal-ux input").fill(KEY)
        page.locator(".modal-ux").get_by_role("button", name="Apply credentials").click()
        page.locator(".modal-ux").get_by_role("button", name="Close").click()
        route = page.locator("#operations-classify-classify_drawing_classify_post")
        route.locator(".opblock-summary-control").click()
        route.get_by_role("button", name="Try it out").click()
        route.get_by_role("button", name="Execute").click()
        answer = route.locator(".live-responses-table .response").first
        assert "200" in (answer.locator(".response-col_status").text_content() or "")

        route = page.locator("#operations-results-get_drawing_results__id__drawing_png_get")
        route.locator(".opblock-summary-control").click()
        route.get_by_role("button", name="Try it out").click()
        route.get_by_placeholder("id").fill("1")
        route.get_by_role("button", name="Execute").click()
        drawing = route.locator(".live-responses-table img")
        drawing.wait_for()
        assert drawing.evaluate("image => image.decode().then(() => image.naturalWidth)") == 28

    assert rows(sqlite_url, "SELECT id, prediction FROM predictions") == [{"id": 1, "prediction": "7"}]
