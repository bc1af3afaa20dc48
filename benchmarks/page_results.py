"""Measure how smoothly the page's results scroll, with a thousand rows in Chromium.

`python -m benchmarks.page_results`; see benchmarks/README.md.
"""

import argparse
import time
import urllib.request
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page

from benchmarks.chromium import visit
from benchmarks.digits import digits
from benchmarks.report import middle, table, with_range
from benchmarks.servers import Server

ROWS = 1000
LONG_MS = 50
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1200, "height": 850}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 3,
        "has_touch": True,
        "is_mobile": True,
    },
}
# Long tasks as the browser defines them, and the time between animation frames.
WATCH = """
window.seen = {long: [], frames: []};
new PerformanceObserver((list) => seen.long.push(...list.getEntries().map(({duration}) => duration)))
  .observe({type: "longtask", buffered: true});
let last = null;
requestAnimationFrame(function frame(now) {
  if (last !== null) seen.frames.push(now - last);
  last = now;
  requestAnimationFrame(frame);
});
"""
# A fast mouse wheel, in pixels per second: 75 rows on a desktop, 40 on a phone.
SPEED = 5000
GESTURE = 10_000
PATIENCE_S = 120
AT_THE_END = f"""
document.querySelectorAll(".result-row").length >= {ROWS} &&
  scrollY + innerHeight >= document.documentElement.scrollHeight - 1
"""


def remember(server: Server) -> None:
    """Store ROWS drawings, repeated if there are fewer."""
    request = urllib.request.Request(
        f"{server.url}/classify/batch",
        np.resize(digits().test_images, (ROWS, 28, 28)).tobytes(),
        {"X-API-Key": server.key, "Content-Type": "application/octet-stream"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        response.read()


def scroll(page: Page, server: Server) -> dict[str, Any]:
    """Open the results and scroll to their end; return long tasks, frames, seconds and rows."""
    page.add_init_script(WATCH)
    page.goto(f"{server.url}/#key={server.key}")
    page.evaluate("location.hash = '#/results'")
    page.locator(".result-row img[src]").first.wait_for()
    page.wait_for_load_state("networkidle")
    hand = page.context.new_cdp_session(page)
    page.evaluate("Object.assign(seen, {long: [], frames: []})")
    began = time.perf_counter()
    while not page.evaluate(AT_THE_END):
        if time.perf_counter() - began > PATIENCE_S:
            raise RuntimeError("the end of the history was not reached in time")
        # The browser's synthetic input adds no script work to the page.
        gesture = {"x": 190, "y": 600, "yDistance": -GESTURE, "speed": SPEED, "gestureSourceType": "mouse"}
        hand.send("Input.synthesizeScrollGesture", gesture)
    seconds = time.perf_counter() - began
    rows = page.locator(".result-row").count()
    return {**page.evaluate("seen"), "seconds": seconds, "rows": rows}


def line(name: str, rounds: list[dict[str, Any]]) -> list[str]:
    """Return a row of the table: medians over the rounds, with the smallest and largest values."""
    frames = [sorted(seen["frames"]) for seen in rounds]
    return [
        name,
        str(min(seen["rows"] for seen in rounds)),
        middle([seen["seconds"] for seen in rounds], 1),
        with_range([len(seen["long"]) for seen in rounds]),
        with_range([max(seen["long"], default=0) for seen in rounds]),
        with_range([times[int(len(times) * 0.99)] for times in frames], 1),
        with_range([times[-1] for times in frames], 1),
    ]


def measure(browser: Browser, server: Server, rounds: int) -> list[list[str]]:
    """Scroll on each screen alternately, each time in a new browser context without a cache."""
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in SCREENS}
    for _ in range(rounds):
        for name, screen in SCREENS.items():
            with browser.new_context(**screen) as context:
                seen[name].append(scroll(context.new_page(), server))
    return [line(name, of_screen) for name, of_screen in seen.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with visit() as (browser, server, description):
        remember(server)
        print(f"{description}; medians of {arguments.rounds} rounds\n")
        heading = ["screen", "rows", "seconds", f"tasks ≥ {LONG_MS} ms", "longest, ms"]
        heading += ["p99 frame, ms", "slowest frame, ms"]
        print(table(heading, measure(browser, server, arguments.rounds)))


if __name__ == "__main__":
    main()
