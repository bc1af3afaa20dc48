"""One service and one browser for all page tests of a process, because starting them takes longer than most tests."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import PHONE, SharedTab, chromium
from tests.support.nginx import Front, https_in_front
from tests.support.results_page import classify_drawings
from tests.support.service import delete_rows
from tests.support.service_process import Service
from tests.support.shared_service import SharedService

DATABASE = "pixelwise.db"


@pytest.fixture(scope="session")
def shared_service(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedService]:
    """The service of all page tests of this process."""
    folder = tmp_path_factory.mktemp("page")
    with ExitStack() as started:
        yield SharedService(f"sqlite:///{shutil.copy(migrated_sqlite_file, folder / DATABASE)}", folder, started)


@pytest.fixture
def service(shared_service: SharedService) -> Service:
    """The running service, without rows."""
    if shared_service.has_ended():
        shared_service.start()
    # The service has one writer, so what an earlier test sent is stored before this and deleted, too.
    classify_drawings(shared_service.running, 1)
    delete_rows(shared_service.url)
    return shared_service.running


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, migrated_sqlite_file: Path, tmp_path: Path) -> str:
    """The database of the running service, or a new one for a test that starts a service itself."""
    if "service" in request.fixturenames:
        request.getfixturevalue("service")
        shared: SharedService = request.getfixturevalue("shared_service")
        return shared.url
    return f"sqlite:///{shutil.copy(migrated_sqlite_file, tmp_path / DATABASE)}"


@pytest.fixture
def site(service: Service) -> str:
    """The address of the page."""
    return f"http://127.0.0.1:{service.port}/"


@pytest.fixture(scope="session")
def front(shared_service: SharedService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
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
