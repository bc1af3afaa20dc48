"""Image files: the bytes of one become a drawing, and a drawing becomes a PNG. Knows neither the web nor the database.

Whatever the bytes are, the answer is a drawing or an ImageError; how much memory it takes is bounded before a pixel is
decoded.
"""

from collections.abc import Callable
from io import BytesIO
from math import isqrt

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from app.drawings.extract import Picture, drawing_of
from app.drawings.formats import FORMAT_NAMES, IMAGE_FORMATS
from app.drawings.shape import SIDE

MAX_PIXELS = 25_000_000

# A JPEG with more pixels is decoded at a half, a quarter or an eighth of its size, which is still more than is needed.
ENOUGH_PIXELS = 1_000_000

# Each scan of a progressive JPEG goes over the whole image. Cameras and programs write some ten.
MAX_SCANS = 100
_START_OF_SCAN = b"\xff\xda"

# Above this a pixel hides what is behind it.
OPAQUE = 128

# Opaque pixels are of one brightness when no more than one in ten thousand differs from their median by more levels.
ONE_BRIGHTNESS = 32
EXCEPTIONS = 1e-4

# Opaque pixels that fill less of their box are the strokes of a digit, and no sheet that one is drawn on.
SHEET_SHARE = 0.7

# How to turn an image upright, by the orientation that EXIF states; see CIPA DC-008 section 4.6.4.
_UPRIGHT: dict[int, Callable[[Picture], Picture]] = {
    2: np.fliplr,
    3: lambda picture: np.rot90(picture, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda picture: np.rot90(picture, 3),
    7: lambda picture: np.rot90(picture, 2).T,
    8: np.rot90,
}


class ImageError(Exception):
    """The bytes are no image that can be read. The text is one sentence and says why."""


def read_image(data: bytes) -> npt.NDArray[np.uint8]:
    """Return the digit in an image file as a drawing uint8 (28, 28), ink 255 on 0; raise ImageError.

    The file is a PNG, a JPEG, a WebP, a GIF (the first picture counts) or a BMP, whatever its name says. A grey image
    of 28 x 28 pixels, white on black, comes through as it is; see `app.drawings.extract` for what becomes of any other.
    """
    return drawing_of(_picture(data))


def _picture(data: bytes) -> Picture:
    """Return the brightness, or the alpha channel where that is the ink, of the upright image."""
    if not data:
        raise ImageError("The file is empty.")
    try:
        with Image.open(BytesIO(data), formats=tuple(IMAGE_FORMATS)) as image:
            _refuse_bombs(image, data)
            smaller = max(1, isqrt(image.width * image.height // ENOUGH_PIXELS))
            image.draft("L", (image.width // smaller, image.height // smaller))
            turn = _UPRIGHT.get(_orientation(image))
            picture = _brightness(image)
            return picture if turn is None else turn(picture)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"The file is not a {FORMAT_NAMES} image.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(_TOO_LARGE) from None
    except Exception as error:  # Pillow's decoders raise whatever they stumble over.
        raise ImageError("The image is cut off, damaged, or holds too much besides its pixels.") from error


_TOO_LARGE = f"The image has more than {MAX_PIXELS // 1_000_000} megapixels; make it smaller."


def _refuse_bombs(image: Image.Image, data: bytes) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(_TOO_LARGE)
    if image.format in ("JPEG", "MPO") and data.count(_START_OF_SCAN) > MAX_SCANS:
        raise ImageError(f"The JPEG is made of more than {MAX_SCANS} scans; save it anew.")


def _orientation(image: Image.Image) -> int:
    """Return what EXIF states; a file whose EXIF is damaged states nothing."""
    try:
        stated = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001  # Its parser, too, raises whatever it stumbles over.
        return 1
    return stated if isinstance(stated, int) else 1


def _brightness(image: Image.Image) -> Picture:
    if image.mode == "I;16":
        return np.asarray(image)
    if not image.has_transparency_data:
        return np.asarray(image.convert("L"))
    # A conversion to the mode it has would be a copy, of a hundred megabytes when it is large.
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha = image.getchannel("A")
    grey = image.convert("L")
    if not any(alpha.histogram()[:OPAQUE]):
        return np.asarray(grey)
    sheet = _sheet(grey, alpha)
    if sheet is None:
        return np.asarray(alpha)
    return np.asarray(Image.composite(grey, Image.new("L", grey.size, sheet), alpha))


def _sheet(grey: Image.Image, alpha: Image.Image) -> int | None:
    """Return the brightness of the sheet that the opaque pixels show, or None when they are the digit's strokes.

    A browser's canvas is exported as strokes of one colour, which may be white, on nothing.
    """
    opaque = alpha.point([0] * OPAQUE + [255] * (256 - OPAQUE))
    box = opaque.getbbox()
    if box is None:
        return None
    counts = np.array(grey.histogram(opaque))
    total = counts.sum()
    median = int(counts.cumsum().searchsorted(total / 2))
    alike = counts[max(0, median - ONE_BRIGHTNESS) : median + ONE_BRIGHTNESS + 1].sum()
    area = (box[2] - box[0]) * (box[3] - box[1])
    if total - alike <= EXCEPTIONS * total or total < SHEET_SHARE * area:
        return None
    return median


def write_png(pixels: bytes) -> bytes:
    """Return a drawing of 784 bytes, row by row, as a PNG of 28 x 28 grey pixels: white ink on black."""
    file = BytesIO()
    Image.frombytes("L", (SIDE, SIDE), pixels).save(file, format="PNG")
    return file.getvalue()
