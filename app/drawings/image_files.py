"""Read drawings from image files with bounded memory, and write PNG files."""

from collections.abc import Callable
from io import BytesIO
from math import isqrt

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.WebPImagePlugin import WebPImageFile

from app.drawings.containers import TOO_LARGE, ImageError, count_pixels
from app.drawings.extract import Picture, drawing_of
from app.drawings.formats import FORMAT_NAMES, IMAGE_FORMATS
from app.drawings.shape import SIDE

# Larger JPEGs are decoded at reduced size.
ENOUGH_PIXELS = 1_000_000

# The lowest alpha that counts as opaque.
OPAQUE = 128

# Such values are blank, unless they form a mask.
ALMOST_BLACK = 16

# Opaque pixels of one brightness are strokes: all but EXCEPTIONS are within ONE_BRIGHTNESS levels of the median.
ONE_BRIGHTNESS = 32
EXCEPTIONS = 1e-4

# So are pixels that fill less of their bounding box than this; a sheet fills more.
SHEET_SHARE = 0.7

# EXIF orientation, CIPA DC-008 section 4.6.4.
_UPRIGHT: dict[int, Callable[[Picture], Picture]] = {
    2: np.fliplr,
    3: lambda picture: np.rot90(picture, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda picture: np.rot90(picture, 3),
    7: lambda picture: np.rot90(picture, 2).T,
    8: np.rot90,
}


def read_image(data: bytes) -> npt.NDArray[np.uint8]:
    """Return the digit of an image file as uint8 (28, 28), ink 255; raise ImageError."""
    return drawing_of(_picture(data))


def _picture(data: bytes) -> Picture:
    """Return the upright image's brightness, or its alpha channel if the ink is there."""
    pixels = count_pixels(data)
    try:
        with Image.open(BytesIO(data), formats=tuple(IMAGE_FORMATS)) as image:
            if image.width * image.height > pixels:
                raise ImageError("The file states different sizes; save the image again.")
            smaller = max(1, isqrt(image.width * image.height // ENOUGH_PIXELS))
            image.draft("L", (image.width // smaller, image.height // smaller))
            make_upright = _UPRIGHT.get(_orientation(image))
            picture = _stretched(_brightness(_decoded(image)), reduced=_is_reduced(image, data))
            return picture if make_upright is None else make_upright(picture)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"The file is not a {FORMAT_NAMES} image.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(TOO_LARGE) from None
    except Exception as error:  # Pillow's decoders raise any exception.
        raise ImageError("The image is cut off, damaged, or has too much metadata.") from error


def _decoded(image: Image.Image) -> Image.Image:
    if not isinstance(image, WebPImageFile):
        return image
    # Loading it would keep two canvases and copy the pixels, 400 MB instead of 300 MB.
    pixels, _, _ = image._get_next()
    image._decoder = None
    return Image.frombuffer(image.rawmode, image.size, pixels, "raw", image.rawmode, 0, 1)


def _orientation(image: Image.Image) -> int:
    try:
        stated = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001  # Pillow's EXIF parser raises any exception.
        return 1
    return stated if isinstance(stated, int) else 1


def _brightness(image: Image.Image) -> Picture:
    if image.mode == "I;16":
        return np.asarray(image)
    if not image.has_transparency_data:
        return np.asarray(image.convert("L"))
    # Converting RGBA again would copy up to 100 MB.
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha = image.getchannel("A")
    grey = image.convert("L")
    if not any(alpha.histogram()[:OPAQUE]):
        return np.asarray(grey)
    sheet = _sheet(grey, alpha)
    if sheet is None:
        return np.asarray(alpha)
    return np.asarray(Image.composite(grey, Image.new("L", grey.size, sheet), alpha))


def _is_reduced(image: Image.Image, data: bytes) -> bool:
    """Return whether Pillow has dropped the lower 8 of 16 bits."""
    return image.format == "PNG" and data[24] == 16 and image.mode != "I;16"


def _stretched(picture: Picture, *, reduced: bool) -> Picture:
    """Stretch masks, such as 0 and 1, and 16-bit values that use fewer bits; raise ImageError if too dark."""
    low, high = int(picture.min()), int(picture.max())
    if high < ALMOST_BLACK:
        if reduced:
            raise ImageError("The image has 16 bits a colour but uses only the lower ones; use the full range.")
        as_it_is = low == high or (picture.shape == (SIDE, SIDE) and high > 1)
        if not as_it_is and ((picture == low) | (picture == high)).all():
            return np.where(picture == high, np.uint8(255), np.uint8(0))
        if not as_it_is:
            raise ImageError("The image is almost black; stretch its values to the full range.")
    if picture.dtype == np.uint16:
        return picture * np.uint16(0xFFFF // ((1 << max(8, high.bit_length())) - 1))
    return picture


def _sheet(grey: Image.Image, alpha: Image.Image) -> int | None:
    """Return the brightness of the opaque sheet, or None for strokes on transparency."""
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
    """Return 784 bytes as a PNG, white ink on black."""
    file = BytesIO()
    Image.frombytes("L", (SIDE, SIDE), pixels).save(file, format="PNG")
    return file.getvalue()
