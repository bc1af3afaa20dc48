"""Make the pictures of the page in docs/images, from drawings of our own strokes.

`python -m benchmarks.pictures [MODEL]`; see benchmarks/README.md.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.servers import PROJECT
from tests.support.browser import PHONE, chromium, open_page
from tests.support.databases import migrate
from tests.support.digit_strokes import SEVEN, Stroke, by_mouse, drawings
from tests.support.results_page import send
from tests.support.service import execute, rows
from tests.support.service_process import Service, serving

IMAGES: Final = PROJECT / "docs" / "images"
COLOURS: Final = 48
DESKTOP: Final[dict[str, Any]] = {"viewport": {"width": 1200, "height": 800}}
UPRIGHT: Final = {**PHONE, "viewport": {"width": 390, "height": 664}, "device_scale_factor": 2}
SIDEWAYS: Final = {**UPRIGHT, "viewport": {"width": 844, "height": 390}}

LETTER: Final[list[Stroke]] = [
    [(0.25, 0.85), (0.38, 0.5), (0.5, 0.15), (0.62, 0.5), (0.75, 0.85)],
    [(0.33, 0.6), (0.5, 0.6), (0.67, 0.6)],
]
HOUSE: Final[list[Stroke]] = [
    [(0.25, 0.85), (0.25, 0.45), (0.5, 0.2), (0.75, 0.45), (0.75, 0.85), (0.25, 0.85)],
    [(0.45, 0.85), (0.45, 0.6), (0.57, 0.6), (0.57, 0.85)],
]
TIME: Final = "%Y-%m-%d %H:%M:%f000"
TABLES: Final = (("drawings", "prediction_id"), ("predictions", "id"))

PIXELS_OF: Final = """async (drawings) => {
    const { PENS, toPixels } = await import("/static/lib/drawing.js");
    return drawings.map(({ pen, strokes }) => toPixels(strokes.map((points) => ({ width: PENS[pen], points }))));
}"""


def save(page: Page, name: str) -> None:
    """Save what is on the screen, with few colours."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)
    print(f"{name}.png: {(IMAGES / f'{name}.png').stat().st_size} bytes")


def fill(browser: Browser, service: Service, url: str) -> None:
    """Store all drawings, on twenty days, and label most of them."""
    shown = [(drawing.digit, drawing.pen, drawing.strokes) for drawing in drawings()]
    shown += [("none", pen, strokes) for pen in ("thin", "normal", "thick") for strokes in (LETTER, HOUSE)]
    Random(1).shuffle(shown)
    with open_page(browser, f"http://127.0.0.1:{service.port}/") as page:
        pixels = page.evaluate(PIXELS_OF, [{"pen": pen, "strokes": strokes} for _, pen, strokes in shown])
    send(service, "POST", "/classify/batch", np.array(pixels, np.uint8).tobytes())
    count = len(shown)
    labelled = [f"{id_}, '{label}', 'anna'" for id_, (label, _, _) in enumerate(shown, start=1) if id_ % 4]
    execute(
        url,
        f"UPDATE predictions SET created_at = strftime('{TIME}', 'now', (2 * (id - {count})) || ' hours')",
        f"UPDATE predictions SET notes = 'with a thick pen' WHERE id = {count - 2}",
        *(f"INSERT INTO labels (prediction_id, label, source) VALUES ({given})" for given in labelled),
        "INSERT INTO reviews (prediction_id, sampled) SELECT id, 1 FROM predictions WHERE id % 4 BETWEEN 1 AND 2",
    )


def answer(strokes: list[Stroke]) -> Callable[[Page], None]:
    """Return what draws this and waits for the answer."""

    def draw(page: Page) -> None:
        by_mouse(page, strokes)
        page.keyboard.press("Enter")
        expect(page.locator(".state")).to_contain_text("Is it right?")

    return draw


def wait_for(selector: str) -> Callable[[Page], None]:
    """Return what waits until this is shown."""
    return lambda page: expect(page.locator(selector).first).to_be_visible()


@contextmanager
def filled(browser: Browser, settings: dict[str, str]) -> Iterator[tuple[Service, str]]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/pixelwise.db"
        migrate(url)
        with serving(url, Path(folder), **settings) as service:
            fill(browser, service, url)
            yield service, url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", type=Path, help="a model file in place of the project's")
    model = parser.parse_args().model
    three = next(one.strokes for one in drawings() if (one.digit, one.style, one.way) == ("3", "round", "plain"))
    pictures: dict[str, tuple[str, dict[str, Any], str, Callable[[Page], None]]] = {
        "draw-desktop-light": ("draw", DESKTOP, "light", answer(SEVEN)),
        "draw-phone-dark": ("draw", UPRIGHT, "dark", answer(three)),
        "draw-sideways-light": ("draw", SIDEWAYS, "light", answer(SEVEN)),
        "no-digit-phone-light": ("draw", UPRIGHT, "light", answer(LETTER)),
        "first-visit-phone-light": ("draw", UPRIGHT, "light", wait_for(".introduction")),
        "results-desktop-light": ("results", DESKTOP, "light", wait_for(".result-row img[src]")),
        "review-desktop-dark": ("review", DESKTOP, "dark", wait_for(".offered-drawing img")),
        "stats-desktop-light": ("stats", DESKTOP, "light", wait_for(".stats > [role=status]:not(:empty)")),
    }
    settings = {"MODEL_PATH": str(model.resolve())} if model else {}
    with chromium() as browser, filled(browser, settings) as (service, url):
        stored = rows(url, "SELECT count(*) AS count FROM predictions")[0]["count"]
        for name, (view, device, theme, show) in pictures.items():
            with open_page(browser, f"http://127.0.0.1:{service.port}/", color_scheme=theme, **device) as page:
                page.evaluate("view => { location.hash = `#/${view}`; }", view)
                show(page)
                save(page, name)
            # So that each picture is of the same rows.
            execute(url, *(f"DELETE FROM {table} WHERE {key} > {stored}" for table, key in TABLES))


if __name__ == "__main__":
    main()
