"""Swagger and ReDoc in a browser: they work under their policies, and call no other host."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_page
from tests.support.service import KEY, rows
from tests.support.service_process import Service

HEALTH: Final = "#operations-health-health"
CLASSIFY: Final = "#operations-classify-classify_drawing"
DRAWING: Final = "#operations-results-get_drawing"


class Swagger(NamedTuple):
    """Swagger UI, and the addresses that it requested."""

    page: Page
    requested: list[str]


# For all tests of a path, because it takes longer to load than to use.
@pytest.fixture(scope="module", params=["docs", "api/docs"])
def swagger(request: pytest.FixtureRequest, browser: Browser, shared_service: Service) -> Iterator[Swagger]:
    """Swagger UI at each of its paths."""
    with open_page(browser, "about:blank", key=None) as page:
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.goto(f"http://127.0.0.1:{shared_service.port}/{request.param}")
        yield Swagger(page, requested)


def test_example_is_classified_after_authorizing(site: str, sqlite_url: str, swagger: Swagger) -> None:
    page = swagger.page
    page.get_by_role("button", name="Authorize").click()
    # The first of the two ways to send the key.
    header = page.locator(".modal-ux .auth-container").first
    header.get_by_label("Value:").fill(KEY)
    header.get_by_role("button", name="Apply credentials").click()
    header.get_by_role("button", name="Close").click()
    route = page.locator(CLASSIFY)
    route.locator(".opblock-summary-control").click()
    route.get_by_role("button", name="Try it out").click()
    route.get_by_role("button", name="Execute").click()
    answer = route.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text("200")

    route = page.locator(DRAWING)
    route.locator(".opblock-summary-control").click()
    route.get_by_role("button", name="Try it out").click()
    route.get_by_placeholder("id").fill("1")
    route.get_by_role("button", name="Execute").click()
    drawing = route.locator(".live-responses-table img")
    drawing.wait_for()
    assert drawing.evaluate("image => image.decode().then(() => image.naturalWidth)") == 28
    assert rows(sqlite_url, "SELECT id, prediction FROM predictions") == [{"id": 1, "prediction": "7"}]


@pytest.mark.parametrize("swagger", ["api/docs"], indirect=True)
def test_swagger_calls_the_api_where_it_is(site: str, swagger: Swagger) -> None:
    operation = swagger.page.locator(HEALTH)
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".request-url")).to_contain_text(f"{site}api/health")
    expect(operation.locator(".live-responses-table")).to_contain_text("model_version")
    assert f"{site}api/health" in swagger.requested
    assert [url for url in swagger.requested if not url.startswith((site, f"blob:{site}", "data:"))] == []


def test_redoc_shows_the_routes_and_loads_nothing_from_elsewhere(browser: Browser, site: str) -> None:
    with open_page(browser, "about:blank", key=None) as page:
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.goto(f"{site}api/redoc")
        expect(page.get_by_role("heading", name="Label a drawing")).to_be_attached()
        expect(page.get_by_role("link", name="API docs by Redocly")).to_be_attached()
    assert f"{site}api/openapi.json" in requested
    assert [url for url in requested if not url.startswith((site, "data:", "blob:"))] == []
