"""Start Chromium and a service for the benchmarks of the page."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

from benchmarks.machine import description
from benchmarks.servers import PIXELWISE, Server, Variant, running


class Visit(NamedTuple):
    """A browser, a service, and a description of the machine and the browser."""

    browser: Browser
    server: Server
    description: str


@contextmanager
def visit(**settings: str) -> Iterator[Visit]:
    """Run a service with these settings and Chromium until the block ends; exit if Chromium is missing."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("Chromium is missing; install it: apt install chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        running([Variant("pixelwise", PIXELWISE, settings)], Path(folder), None) as (server,),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield Visit(browser, server, f"{description(Path(folder))}, Chromium {browser.version}")
        browser.close()
