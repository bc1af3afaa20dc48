from typing import Final

import numpy as np

from app.drawings.arrays import INK_SHARE, Floats, Images

INK: Final = ("ink", "peak", "box", "offset_x", "offset_y", "stroke_width")

# Mean crossings of rows and columns per pixel of a curve, over all directions.
_CROSSINGS = np.float32(4 / np.pi)


def ink_statistics(images: Images) -> Floats:
    """Measure uint8 (N, 28, 28); return float32 (N, 6) in the order of `INK`, zeros if blank.

    Ink and peak are levels in 0..255, the others pixels. The stroke width is 2 * area / perimeter, the perimeter the
    total variation (Crofton's formula; coarea formula, Fleming and Rishel 1960). Strokes under two pixels measure up to
    a third too wide.
    """
    height, width = images.shape[1:]
    peak = images.max(axis=(1, 2), initial=0).astype(np.float32)
    grey = images.astype(np.float32)
    area = grey.sum(axis=(1, 2))
    mass = np.where(grey > (peak * INK_SHARE)[:, None, None], grey, 0)
    rows, columns = mass.sum(axis=2), mass.sum(axis=1)
    total = np.maximum(rows.sum(axis=1), 1)
    variation = sum(np.abs(np.diff(grey, axis=axis, prepend=0, append=0)).sum(axis=(1, 2)) for axis in (1, 2))
    return np.stack(
        [
            area / (height * width),
            peak,
            np.maximum(_extent(rows), _extent(columns)),
            columns @ _from_the_middle(width) / total,
            rows @ _from_the_middle(height) / total,
            2 * area / np.maximum(variation / _CROSSINGS, 1),
        ],
        axis=1,
    )


def _from_the_middle(side: int) -> Floats:
    return np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)


def _extent(lines: Floats) -> Floats:
    """Return the number of lines from first to last ink: (N, 28) to (N,)."""
    occupied = lines > 0
    first, behind = occupied.argmax(axis=1), occupied.shape[1] - occupied[:, ::-1].argmax(axis=1)
    return np.where(occupied.any(axis=1), behind - first, 0).astype(np.float32)
