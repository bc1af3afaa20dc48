"""PixelWise in a folder of a real nginx, and behind an nginx that asks for a password."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import open_page
from tests.support.nginx import http_in_front
from tests.support.project_copy import PROJECT
from tests.support.results_page import classify_drawings, labels
from tests.support.service import DRAWING, KEY
from tests.support.service_process import serving
from tests.support.waiting import wait_until

_DOCUMENTED = re.search(r"```nginx\n(.*?)```", (PROJECT / "docs/operations.md").read_text(), re.DOTALL)
assert _DOCUMENTED
LOCATION = _DOCUMENTED[1]
UNSTRIPPED = LOCATION.replace("8000/;", "8000;")
LOCKED = """
auth_basic "Digits";
auth_basic_user_file {folder}/users;
location /locked/ {{ proxy_pass http://127.0.0.1:8000/; }}
location /half/ {{ auth_basic off; proxy_pass http://127.0.0.1:8000/; }}
# As after a cancelled dialog.
location /half/api/ {{ auth_basic off; return 401; }}
"""
FOLDER = {"UVICORN_ROOT_PATH": "/pixelwise"}


WAYS = [
    pytest.param((LOCATION, {}), id="removed"),
    pytest.param((LOCATION, FOLDER), id="removed, and set"),
    pytest.param((UNSTRIPPED, FOLDER), id="left, and set"),
]


@pytest.fixture(scope="module", params=WAYS)
def site(
    request: pytest.FixtureRequest, migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the page in its folder."""
    locations, settings = request.param
    folder = tmp_path_factory.mktemp("subfolder")
    url = f"sqlite:///{shutil.copy(migrated_sqlite_file, folder / 'pixelwise.db')}"
    with (
        serving(url, folder, **settings) as service,
        http_in_front(folder, locations.replace("8000", str(service.port))) as front,
    ):
        for _ in range(2):
            stored = httpx2.post(f"{front}/pixelwise/api/classify", json=DRAWING, headers={"X-API-Key": KEY})
            assert stored.status_code == 200, stored.text
        yield f"{front}/pixelwise/"


def test_links_and_redirects_stay_in_the_folder(site: str) -> None:
    with httpx2.Client(follow_redirects=True) as client:
        targets = {
            site.removesuffix("/"): site,
            f"{site}api/": site,
            f"{site}api": site,
            f"{site}api/results/": f"{site}api/results",
            f"{site}api/docs/": f"{site}api/docs",
            f"{site}static/app.js/": f"{site}static/app.js",
            f"{site}health": f"{site}health",
        }
        for given, target in targets.items():
            response = client.get(given)
            assert (response.status_code, str(response.url)) == (200, target)
        first = client.get(f"{site}api/results?limit=1")
        second = client.get(first.url.join(first.links["next"]["url"]))
        assert str(second.url).startswith(f"{site}api/results?")
        assert [result["id"] for result in second.json()["results"]] == [1]


@pytest.mark.parametrize("site", WAYS[:1], indirect=True)
def test_page_and_documentation_work_in_the_folder(site: str, browser: Browser) -> None:
    with open_page(browser, site) as page:
        failed: list[str] = []
        page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
        page.get_by_role("link", name="Results").click()
        expect(page.locator("main img[src^='blob:']")).to_have_count(2)
        page.get_by_role("link", name="API", exact=True).click()
        expect(page).to_have_url(f"{site}api/docs")
        operation = page.locator("#operations-health-live")
        operation.locator(".opblock-summary").click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_role("button", name="Execute").click()
        expect(operation.locator(".request-url")).to_contain_text(f"{site}api/health/live")
        assert failed == []


def test_page_works_behind_a_password_and_says_when_it_is_missing(
    sqlite_url: str, tmp_path: Path, browser: Browser
) -> None:
    (tmp_path / "users").write_text("ada:{PLAIN}secret\n")
    with serving(sqlite_url, tmp_path) as service:
        locations = LOCKED.format(folder=tmp_path).replace("8000", str(service.port))
        with http_in_front(tmp_path, locations) as front:
            credentials = {"username": "ada", "password": "secret"}
            with open_page(browser, f"{front}/locked/", http_credentials=credentials) as page:
                page.get_by_role("link", name="Results").click()
                expect(page.locator("main")).to_contain_text("Nothing is stored yet")
            with open_page(browser, f"{front}/half/") as page:
                page.get_by_role("link", name="Results").click()
                expect(page.locator("main")).to_contain_text("A proxy in front of PixelWise refuses this.")


def test_two_folders_of_one_host_share_neither_unsent_labels_nor_the_key(
    migrated_sqlite_file: Path, tmp_path: Path, browser: Browser
) -> None:
    folders = {name: tmp_path / name for name in "ab"}
    urls = {name: f"sqlite:///{folder}.db" for name, folder in folders.items()}
    for folder in folders.values():
        folder.mkdir()
        shutil.copy(migrated_sqlite_file, f"{folder}.db")
    with serving(urls["a"], folders["a"]) as first, serving(urls["b"], folders["b"]) as second:
        ports = {"a": first.port, "b": second.port}
        locations = "".join(
            LOCATION.replace("/pixelwise/", f"/{name}/").replace("8000", str(port)) for name, port in ports.items()
        )
        for service in (first, second):
            classify_drawings(service, 1)
        with http_in_front(tmp_path, locations) as front, open_page(browser, f"{front}/a/") as page:
            page.route("**/label", lambda route: route.abort())
            page.goto(f"{front}/a/#/results/1")
            page.get_by_role("button", name="It is a 4").click()
            expect(page.get_by_text("Your label is kept and will be stored.")).to_be_visible()
            page.goto(f"{front}/b/#/results/1")
            page.unroute_all()
            page.get_by_role("button", name="Enter the API key").click()
            page.get_by_label("Key", exact=True).fill(KEY)
            page.keyboard.press("Enter")
            page.get_by_role("button", name="It is a 5").click()
            wait_until(lambda: labels(urls["b"]), "the label is stored")
            page.goto(f"{front}/a/#/results/1")
            wait_until(lambda: labels(urls["a"]), "the label is stored")
    assert labels(urls["a"]) == [(1, "4")]
    assert labels(urls["b"]) == [(1, "5")]
