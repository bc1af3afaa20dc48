"""Measure the page's size and the time from the lifted pen to the displayed answer.

`python -m benchmarks.page`; see benchmarks/README.md.
"""

import argparse
from statistics import median, quantiles

from playwright.sync_api import Browser, Page

from benchmarks.chromium import visit
from benchmarks.report import table
from benchmarks.servers import Server

DESKTOP = {"width": 1200, "height": 850}
SEVEN = [(0.3, 0.25), (0.4, 0.25), (0.5, 0.25), (0.6, 0.25), (0.7, 0.25), (0.62, 0.4), (0.54, 0.6), (0.45, 0.8)]
BYTES_TARGET, MS_TARGET, RATIO_TARGET = 60_000, 100, 2.0

# Times from pointerup to the change of the bars in the document, and to the end of the frame that shows them: a message
# sent in requestAnimationFrame arrives after that frame is painted.
WATCH = """
() => {
  let lifted = null;
  window.painted = [];
  document.querySelector("canvas.pad").addEventListener("pointerup", (event) => (lifted = event.timeStamp), true);
  new MutationObserver(() => {
    if (lifted === null) return;
    const since = lifted;
    const changed = performance.now() - since;
    lifted = null;
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => painted.push([changed, performance.now() - since]);
      port2.postMessage(null);
    });
  }).observe(document.querySelector(".bars"), { subtree: true, childList: true });
}
"""
# Post the same drawing without the page's code, and parse the JSON response.
BARE = """
async ({ key, body }) => {
  const began = performance.now();
  const response = await fetch("api/classify", {
    method: "POST", body, headers: { "Content-Type": "application/json", "X-API-Key": key },
  });
  await response.json();
  return performance.now() - began;
}
"""


def first_view(browser: Browser, server: Server) -> tuple[int, int, set[str]]:
    """Load the page; return the bytes transferred (with headers), the number of requests, and their origins."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        network = context.new_cdp_session(page)
        sizes: list[int] = []
        urls: list[str] = []
        network.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
        network.on("Network.requestWillBeSent", lambda event: urls.append(event["request"]["url"]))
        network.send("Network.enable")
        page.goto(f"{server.url}/#key={server.key}")
        page.locator("canvas.pad").wait_for()
        page.wait_for_load_state("networkidle")
        return sum(sizes), len(urls), {"/".join(url.split("/")[:3]) for url in urls}


def draw(page: Page) -> tuple[float, float]:
    """Draw a seven and clear it before it is stored; return the milliseconds to the bars and to their frame."""
    box = page.locator("canvas.pad").bounding_box()
    if box is None:
        raise RuntimeError("the page shows no canvas")
    (first, *others) = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
    page.evaluate("painted.length = 0")
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point)
    page.mouse.up()
    while not (painted := page.evaluate("painted")):
        page.wait_for_timeout(5)
    page.keyboard.press("Escape")
    changed, seen = painted[0]
    return changed, seen


def answers(browser: Browser, server: Server, count: int) -> tuple[list[tuple[float, float]], list[float]]:
    """Alternate drawings on the page and bare calls, `count` times each."""
    drawn, bare = [], []
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.post_data or "") if "preview" in request.url else None)
        page.goto(f"{server.url}/#key={server.key}")
        page.locator("canvas.pad").wait_for()
        page.evaluate(WATCH)
        draw(page)
        for _ in range(count):
            drawn.append(draw(page))
            bare.append(float(page.evaluate(BARE, {"key": server.key, "body": sent[-1]})))
    return drawn, bare


def line(name: str, times: list[float]) -> list[str]:
    return [name, f"{median(times):.1f}", f"{quantiles(times, n=20)[-1]:.1f}", f"{max(times):.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drawings", type=int, default=30)
    arguments = parser.parse_args()
    with visit(PREVIEW_LIMIT="off") as (browser, server, description):
        print(f"{description}; {arguments.drawings} drawings\n")
        size, requests, hosts = first_view(browser, server)
        print(
            f"First view: {size} bytes on the wire (at most {BYTES_TARGET}), {requests} requests, {len(hosts)} host\n"
        )
        drawn, bare = answers(browser, server, arguments.drawings)
    changed, seen = ([times[index] for times in drawn] for index in (0, 1))
    lines = [line("pen lifted to bars", changed), line("pen lifted to frame", seen), line("bare call", bare)]
    print(table(["milliseconds", "median", "p95", "worst"], lines))
    ratios = [f"{median(times) / median(bare):.2f}" for times in (changed, seen)]
    print(f"\nTo the bare call: bars {ratios[0]} (at most {RATIO_TARGET}), frame {ratios[1]}")
    print(f"The frame: at most {MS_TARGET} ms")


if __name__ == "__main__":
    main()
