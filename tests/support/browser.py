"""Chromium on the page, as a person sees it: a real browser on a real service."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.support.project_copy import cannot_run
from tests.support.service import KEY
from tests.support.service_process import PATIENCE_S

DESKTOP: Final[dict[str, Any]] = {"viewport": {"width": 1200, "height": 850}}
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
}

# Chromium loads the list under its address field in each window, which costs more than our page, and starts processes
# in reserve. Its last list of features counts, so the names that Playwright gives are repeated.
DISABLED_FEATURES: Final = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "SpareRendererForSitePerProcess"),
    *("AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *("DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay"),
    *("MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch"),
    "ThirdPartyStoragePartitioning",
)

# What a test expects may take as long as anything else that it waits for.
expect.set_options(timeout=PATIENCE_S * 1000)


def chromium_path() -> str:
    """Where the machine has Chromium: Playwright's own copy could not be had from Debian."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    return found or cannot_run("there is no Chromium; to run this test: apt install chromium")


# For one module: while Playwright runs, nothing else in this thread can have an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    path = chromium_path()
    with sync_playwright() as playwright:
        # In a container, where tests run as root, Chromium's own sandbox cannot start; only our page is opened.
        arguments = ["--no-sandbox", f"--disable-features={','.join(DISABLED_FEATURES)}"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@contextmanager
def open_page(browser: Browser, url: str, *, key: str | None = KEY, **context: Any) -> Iterator[Page]:
    """A tab of its own, with nothing remembered, on this address: `DESKTOP` unless the context says otherwise.

    At the end it fails when a script failed or the console complained; that an answer was no success is no complaint.
    """
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    with browser.new_context(**{**DESKTOP, **context}) as opened:
        opened.set_default_timeout(PATIENCE_S * 1000)
        page = opened.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url if key is None else f"{url}#key={quote(key, safe='')}")
        yield page
    assert not complaints
