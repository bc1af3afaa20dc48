"""Image formats, without Pillow, which is slow to load."""

from typing import Final

# Pillow's name and the usual spelling.
IMAGE_FORMATS: Final = {"PNG": "PNG", "JPEG": "JPEG", "WEBP": "WebP", "GIF": "GIF", "BMP": "BMP"}

*_FIRST, _LAST = IMAGE_FORMATS.values()
FORMAT_NAMES: Final = f"{', '.join(_FIRST)} or {_LAST}"
