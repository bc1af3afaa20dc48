"""Chromium on the page, as a person sees it: a real browser on a real service."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import quote, urljoin

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright

from tests.support.project_copy import cannot_run
from tests.support.service import KEY
from tests.support.waiting import PATIENCE_S

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

# What the console says without a fault of the page: an answer was no success.
NO_COMPLAINTS: Final = "Failed to load resource"

# Empties what the page remembers, and returns whether the clock is the real one.
FORGET: Final = "localStorage.clear(), sessionStorage.clear(), Date.prototype.constructor === Date"

# Makes beforeunload without effect until a test lets the page ask. A page that asks may stop, or abort, the navigation
# that leaves it: under load, the answer to the dialog came too late in one of some hundred.
DO_NOT_ASK: Final = """
addEventListener("beforeunload", (event) => window.mayAsk || event.stopImmediatePropagation(), {capture: true});
"""

# What a test expects may take as long as anything else that it waits for.
expect.set_options(timeout=PATIENCE_S * 1000)


def chromium_path() -> str:
    """Where the machine has Chromium: Playwright's own copy could not be had from Debian."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    return found or cannot_run("there is no Chromium; to run this test: apt install chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium. While it runs, nothing else in this thread can have an event loop."""
    path = chromium_path()
    with sync_playwright() as playwright:
        # In a container, where tests run as root, Chromium's own sandbox cannot start; only our page is opened.
        arguments = ["--no-sandbox", f"--disable-features={','.join(DISABLED_FEATURES)}"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as browser:
        yield browser


@contextmanager
def open_page(browser: Browser, url: str, *, key: str | None = KEY, script: str = "", **context: Any) -> Iterator[Page]:
    """A tab of its own, with nothing remembered, on this address: `DESKTOP` unless the context says otherwise.

    The script runs before those of each page.
    """
    tab = _new_tab(browser, **{**DESKTOP, **context})
    with _no_complaints(tab), tab.context:
        if script:
            tab.add_init_script(script)
        tab.goto(_with_key(url, key))
        yield tab


def expect_warning(page: Page) -> None:
    """Close the tab as a reader does, who is asked and stays."""
    page.evaluate("window.mayAsk = true")
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    page.evaluate("window.mayAsk = false")


def close_unasked(page: Page) -> None:
    """Close the tab as a reader does, who is asked nothing."""
    page.evaluate("window.mayAsk = true")
    page.on("dialog", lambda dialog: dialog.dismiss())
    with page.expect_event("close"):
        page.close(run_before_unload=True)


def pause_clock(page: Page) -> None:
    """Stop the page's clock, which then goes on as a test says. What other processes do takes its time as before."""
    page.clock.install(time=0)
    page.clock.pause_at(60_000)


def let_act(page: Page) -> None:
    """Let the page act on each answer that it has: read one that comes later."""
    page.evaluate("fetch('/health/live').then((answer) => answer.text())")


class SharedTab:
    """A tab for one test after the other: a tab of its own for each would take twice the processor time."""

    def __init__(self, browser: Browser, **context: Any) -> None:
        self._browser = browser
        self._context = {**DESKTOP, **context}
        self._tab: Page | None = None

    @contextmanager
    def open(self, url: str, *, key: str | None = KEY) -> Iterator[Page]:
        """The tab on this address, with nothing remembered. Init scripts would stay; `open_page` takes them."""
        tab, self._tab = self._tab or _new_tab(self._browser, **self._context), None
        try:
            with _no_complaints(tab):
                tab.goto(_with_key(url, key))
                yield tab
                left = self._leave(tab, url)
            if left and self._reset(tab):
                self._tab = tab
        finally:
            if self._tab is None:
                tab.context.close()

    def _leave(self, tab: Page, url: str) -> bool:
        """Go to a document of the same site, so that Chromium keeps the process; return whether the tab got there."""
        # Another navigation, which a test began last, may take its place.
        with suppress(Error):
            return tab.goto(urljoin(url, "/health/live")) is not None
        return False

    def _reset(self, tab: Page) -> bool:
        """Undo what a test did to the tab; return whether that is possible."""
        if tab.context.pages != [tab] or not tab.evaluate(FORGET):
            return False
        tab.context.unroute_all()
        tab.unroute_all()
        tab.context.set_offline(False)
        tab.set_viewport_size(self._context["viewport"])
        tab.mouse.move(0, 0)
        return True


def _new_tab(browser: Browser, **context_options: Any) -> Page:
    context = browser.new_context(**context_options)
    context.set_default_timeout(PATIENCE_S * 1000)
    context.add_init_script(DO_NOT_ASK)
    return context.new_page()


@contextmanager
def _no_complaints(page: Page) -> Iterator[None]:
    """Fail at the end when a script failed or the console complained."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(NO_COMPLAINTS):
            complaints.append(message.text)

    def hear_error(error: Error) -> None:
        complaints.append(str(error))

    page.on("console", hear)
    page.on("pageerror", hear_error)
    yield
    page.remove_listener("console", hear)
    page.remove_listener("pageerror", hear_error)
    assert not complaints


def _with_key(url: str, key: str | None) -> str:
    return url if key is None else f"{url}#key={quote(key, safe='')}"
