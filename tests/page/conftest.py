"""One service and one browser for all page tests of a process, because starting them takes longer than most tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import PHONE, SharedTab, chromium
from tests.support.nginx import Front, https_in_front
from tests.support.results_page import classify_drawings
from tests.support.service import delete_rows
from tests.support.service_process import Service, serving

DATABASE = "pixelwise.db"


@pytest.fixture(scope="session")
def shared_service(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service on SQLite. Tests must not stop it."""
    folder = tmp_path_factory.mktemp("page")
    with serving(f"sqlite:///{shutil.copy(migrated_sqlite_file, folder / DATABASE)}", folder) as running:
        yield running


@pytest.fixture
def service(shared_service: Service) -> Service:
    """The running service, without rows."""
    # The service has one writer, so what an earlier test sent is stored before this and deleted, too.
    classify_drawings(shared_service, 1)
    delete_rows(_url(shared_service))
    return shared_service


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, migrated_sqlite_file: Path, tmp_path: Path) -> str:
    """The database of the running service, or a new one for a test that starts a service itself."""
    if "service" in request.fixturenames:
        service: Service = request.getfixturevalue("service")
        return _url(service)
    return f"sqlite:///{shutil.copy(migrated_sqlite_file, tmp_path / DATABASE)}"


@pytest.fixture
def site(service: Service) -> str:
    """The address of the page."""
    return f"http://127.0.0.1:{service.port}/"


@pytest.fixture(scope="session")
def front(shared_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """nginx with HTTPS before the running service."""
    with https_in_front(tmp_path_factory.mktemp("front"), shared_service.port) as front:
        yield front


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def shared_tab(browser: Browser) -> SharedTab:
    """A tab on a desktop for one test after the other."""
    return SharedTab(browser)


@pytest.fixture(scope="package")
def shared_phone(browser: Browser) -> SharedTab:
    """The same on a phone."""
    return SharedTab(browser, **PHONE)


@pytest.fixture
def page(shared_tab: SharedTab, site: str) -> Iterator[Page]:
    """The page on a desktop, with the key."""
    with shared_tab.open(site) as page:
        yield page


@pytest.fixture
def phone(shared_phone: SharedTab, site: str) -> Iterator[Page]:
    """The page on a phone, with the key."""
    with shared_phone.open(site) as page:
        yield page


def _url(service: Service) -> str:
    return f"sqlite:///{service.log.parent / DATABASE}"
