"""Swagger and ReDoc in a browser: they work under their policies, and call no other host."""

from playwright.sync_api import Browser, expect

from tests.support.browser import open_page

REQUEST = "#operations-health-health_health_get"


def test_swagger_calls_the_api_where_it_is(browser: Browser, site: str) -> None:
    with open_page(browser, "about:blank", key=None) as page:
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.goto(f"{site}api/docs")
        operation = page.locator(REQUEST)
        operation.locator(".opblock-summary").click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_role("button", name="Execute").click()
        expect(operation.locator(".request-url")).to_contain_text(f"{site}api/health")
        expect(operation.locator(".live-responses-table")).to_contain_text("model_version")
    assert f"{site}api/health" in requested
    assert [url for url in requested if not url.startswith((site, "data:"))] == []


def test_redoc_shows_the_routes_and_loads_nothing_from_elsewhere(browser: Browser, site: str) -> None:
    with open_page(browser, "about:blank", key=None) as page:
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.goto(f"{site}api/redoc")
        expect(page.get_by_role("heading", name="Label a drawing")).to_be_attached()
        expect(page.get_by_role("link", name="API docs by Redocly")).to_be_attached()
    assert f"{site}api/openapi.json" in requested
    assert [url for url in requested if not url.startswith((site, "data:", "blob:"))] == []
