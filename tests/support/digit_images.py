"""Pictures of digits: drawn with any pen, photographed, in any format."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.classifier import classify
from app.drawings.formats import IMAGE_FORMATS
from app.drawings.image_files import read_image

FORMATS = tuple(IMAGE_FORMATS)

# Strokes in a box 0.6 wide and 1 high, y downwards. None is symmetric.
STROKES = {
    "2": [[(0.05, 0.22), (0.15, 0.05), (0.32, 0.0), (0.5, 0.07), (0.55, 0.25), (0.45, 0.45), (0.0, 1.0), (0.6, 1.0)]],
    "4": [[(0.4, 0.0), (0.0, 0.65), (0.6, 0.65)], [(0.45, 0.35), (0.45, 1.0)]],
    "7": [[(0.0, 0.0), (0.6, 0.0), (0.2, 1.0)]],
}


def picture(
    digit: str = "4",
    side: int = 280,
    *,
    size: float = 0.6,
    pen: float = 0.06,
    place: tuple[float, float] = (0.5, 0.5),
    ink: Any = 0,
    paper: Any = 255,
    mode: str = "L",
) -> Image.Image:
    """Draw a digit; height and pen width are shares of the side, `place` is its middle."""
    image = Image.new(mode, (side, side), paper)
    draw = ImageDraw.Draw(image)
    width = max(1, round(pen * side))
    for stroke in STROKES[digit]:
        points = [((place[0] + (x - 0.3) * size) * side, (place[1] + (y - 0.5) * size) * side) for x, y in stroke]
        draw.line(points, fill=ink, width=width, joint="curve")
        for x, y in points:
            if width > 2:
                draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)
    return image


def cropped(digit: str, *, margin: int = 0, bold: int = 0, ink: int = 0) -> Image.Image:
    """Return a printed digit, cropped to its ink and a margin; `bold` widens its strokes on both sides."""
    mask = Image.new("L", (200, 200))
    ImageDraw.Draw(mask).text((80, 60), digit, fill=255, font=ImageFont.load_default(70), stroke_width=bold)
    left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
    mask = mask.crop((left - margin, top - margin, right + margin, bottom + margin))
    image = Image.new("L", mask.size, ink)
    image.putalpha(mask)
    return image


def photographed(
    image: Image.Image, *, slope: float = 0.4, shadow: float = 0, noise: float = 8, seed: int = 0
) -> Image.Image:
    """Return a grey picture as a photograph: uneven light, a shadow's edge, noise."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[: image.height, : image.width] / max(image.size) - 0.5
    light = 0.85 * (1 + slope * (0.8 * across + 0.6 * down))
    light *= 1 - shadow / (1 + np.exp(-(across + 0.4 * down - 0.1) / 0.01))
    seen = np.asarray(image) * light + random.normal(0, noise, (image.height, image.width))
    return Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    """Return an image as a file of this format."""
    file = BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def digit_in(data: bytes) -> str:
    """Classify the digit of a file."""
    return classify(read_image(data))["prediction"]
