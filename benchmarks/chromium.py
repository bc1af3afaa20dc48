"""Chromium beside a PixelWise of its own, for what a person at the page waits for."""

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
    """A browser, the service it is to open, and the words for both and for the machine."""

    browser: Browser
    server: Server
    description: str


@contextmanager
def visit(**settings: str) -> Iterator[Visit]:
    """Start a service with these settings and a Chromium, until the block ends; exit when there is no Chromium."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("there is no Chromium; apt install chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        running([Variant("pixelwise", PIXELWISE, settings)], Path(folder), None) as (server,),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield Visit(browser, server, f"{description(Path(folder))}, Chromium {browser.version}")
        browser.close()
