"""Filled things that are not digits: blobs, shaded and textured shapes, and clothes to measure with."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

SIDE = 28
FINE = 4
Images = npt.NDArray[np.uint8]
Outline = list[tuple[float, float]]


def blobs(count: int, rng: np.random.Generator) -> Images:
    """Draw shaded and textured blobs and polygons: uint8 (N, 28, 28)."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    third = count // 3
    fields = _smooth(count - 2 * third, generator)
    outlined = _filled([_polygon(rng) for _ in range(third)] + [_profile(rng) for _ in range(third)])
    return _painted(torch.cat([fields, outlined]), generator)


def clothes(count: int, rng: np.random.Generator) -> Images:
    """Draw silhouettes of clothes, shaded and textured; they are only measured with."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    return _painted(_filled([CLOTHES[int(rng.integers(len(CLOTHES)))](rng) for _ in range(count)]), generator)


def _smooth(count: int, generator: torch.Generator) -> Tensor:
    """Return thresholded random fields, denser in the middle: float (N, 1, 28, 28)."""
    at = torch.linspace(-1, 1, SIDE)
    distance = (at[:, None] ** 2 + at**2).sqrt()
    parts = []
    for side in (3, 4, 5, 7):
        n = count // 4 if side > 3 else count - 3 * (count // 4)
        noise = F.interpolate(torch.randn(n, 1, side, side, generator=generator), size=SIDE, mode="bicubic")
        reach = 0.4 + 1.2 * torch.rand(n, 1, 1, 1, generator=generator)
        parts.append(((noise + 2.2 * (reach - 1.3 * distance)) * 2).clamp(0, 1))
    return torch.cat(parts)


def _polygon(rng: np.random.Generator) -> list[Outline]:
    """Return one to three outlines, mirrored for half of them, in a box from 0 to 1."""
    outlines = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))):
        corners = int(rng.integers(3, 10))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radii = rng.uniform(0.15, 0.5, corners)
        # Nearly as wide as high: a narrow shape would be a 1.
        x = 0.5 + rng.uniform(0.75, 1) * radii * np.cos(angles) + rng.normal(0, 0.06)
        y = 0.5 + rng.uniform(0.75, 1) * radii * np.sin(angles) + rng.normal(0, 0.06)
        outline = list(zip(x.tolist(), y.tolist(), strict=True))
        if rng.random() < 0.5:
            outlines.append([(1 - a, b) for a, b in outline])
        outlines.append(outline)
    return outlines


def _profile(rng: np.random.Generator) -> list[Outline]:
    """Return a shape with a left side like its right side, some with a cut from below; never as narrow as a 1."""
    heights = [0.03, *np.sort(rng.uniform(0.1, 0.9, int(rng.integers(1, 5)))).tolist(), 0.97]
    widths = np.clip(rng.uniform(0.14, 0.34) + np.cumsum(rng.normal(0, 0.08, len(heights))), 0.08, 0.48)
    widths *= max(1.0, 0.15 / widths.mean())
    half = [(0.5 + float(w), y) for w, y in zip(widths, heights, strict=True)]
    if rng.random() < 0.35:
        half += [(0.5 + rng.uniform(0.2, 0.6) * float(widths[-1]), 0.97), (0.5, rng.uniform(0.2, 0.8))]
    return [_mirrored(half)]


def _filled(shapes: list[list[Outline]]) -> Tensor:
    """Return filled outlines, float (N, 1, 28, 28)."""
    images = np.empty((len(shapes), SIDE * FINE, SIDE * FINE), np.uint8)
    for image, outlines in zip(images, shapes, strict=True):
        canvas = Image.new("L", (SIDE * FINE, SIDE * FINE))
        for outline in outlines:
            if len(outline) > 2:
                ImageDraw.Draw(canvas).polygon([(x * SIDE * FINE, y * SIDE * FINE) for x, y in outline], fill=255)
        image[:] = np.asarray(canvas)
    return F.avg_pool2d(torch.from_numpy(images).unsqueeze(1).float() / 255, FINE)


def _painted(shapes: Tensor, generator: torch.Generator) -> Images:
    """Shade and texture most of the shapes."""
    n = len(shapes)

    def some(share: float) -> Tensor:
        return (torch.rand(n, 1, 1, 1, generator=generator) < share).float()

    smooth = F.interpolate(torch.rand(n, 1, 4, 4, generator=generator), size=SIDE, mode="bicubic").clamp(0, 1)
    grain = torch.rand(n, 1, SIDE, SIDE, generator=generator)
    at = torch.arange(SIDE).float()
    wave = torch.rand(n, 1, 1, 1, generator=generator) * 2 + 0.3
    turn = torch.rand(n, 1, 1, 1, generator=generator) * 6.3
    stripes = 0.5 + 0.5 * torch.sin(wave * (at * turn.cos() + at[:, None] * turn.sin()))
    depth = torch.rand(n, 1, 1, 1, generator=generator)
    edge = F.max_pool2d(shapes, 3, 1, 1) - shapes * 0.7
    painted = shapes * (1 - some(0.6) * depth * smooth) * (1 - some(0.3) * depth * stripes)
    painted = painted * (1 - some(0.3) * 0.6 * depth * grain)
    painted = torch.maximum(painted, some(0.15) * edge.clamp(0, 1))
    painted = painted * (0.3 + 0.7 * torch.rand(n, 1, 1, 1, generator=generator))
    return (painted.clamp(0, 1) * 255).round().to(torch.uint8).squeeze(1).numpy()


def _mirrored(half: Outline) -> Outline:
    """Close a right half from top to bottom with its mirror image."""
    return [*half, *((1 - x, y) for x, y in reversed(half))]


def _shirt(r: np.random.Generator) -> list[Outline]:
    collar, sleeve, hem, end = r.uniform(0.05, 0.15), r.uniform(0.3, 0.95), r.uniform(0.18, 0.3), r.uniform(0.4, 0.5)
    half = [(0.5, 0.1), (0.5 + collar, 0.04), (0.5 + hem + 0.06, 0.1), (0.5 + end, sleeve), (0.5 + end - 0.12, sleeve)]
    return [_mirrored([*half, (0.5 + hem, 0.32), (0.5 + hem, 0.96)])]


def _trousers(r: np.random.Generator) -> list[Outline]:
    waist, foot, crotch = r.uniform(0.12, 0.2), r.uniform(0.16, 0.3), r.uniform(0.28, 0.45)
    half = [(0.5, 0.03), (0.5 + waist, 0.03), (0.5 + foot, 0.97), (0.5 + foot - r.uniform(0.1, 0.15), 0.97)]
    return [_mirrored([*half, (0.51, crotch)])]


def _dress(r: np.random.Generator) -> list[Outline]:
    waist, hem = r.uniform(0.08, 0.16), r.uniform(0.18, 0.36)
    return [_mirrored([(0.5, 0.1), (0.55, 0.03), (0.62, 0.05), (0.5 + waist, 0.4), (0.5 + hem, 0.97), (0.5, 0.98)])]


def _bag(r: np.random.Generator) -> list[Outline]:
    top, width = r.uniform(0.3, 0.5), r.uniform(0.3, 0.46)
    handle, thick = r.uniform(0.12, width - 0.05), r.uniform(0.03, 0.07)
    strap = [(0.5 - handle, top), (0.5 - handle, top - 0.22), (0.5 + handle, top - 0.22), (0.5 + handle, top)]
    inner = [(0.5 + handle - thick, top), (0.5 + handle - thick, top - 0.22 + thick)]
    inner += [(0.5 - handle + thick, top - 0.22 + thick), (0.5 - handle + thick, top)]
    body = [(0.5 - width, top), (0.5 + width, top), (0.5 + width * r.uniform(0.85, 1.05), 0.92)]
    return [[*body, (0.5 - width * r.uniform(0.85, 1.05), 0.92)], [*strap, *inner]]


def _shoe(r: np.random.Generator) -> list[Outline]:
    ankle, heel = r.uniform(0.3, 0.5), r.uniform(0.66, 0.74)
    sole = [(0.98, heel), (0.98, heel + 0.08), (0.03, heel + 0.08), (0.02, heel - 0.05)]
    return [[(0.03, ankle), (0.3, ankle + 0.03), (0.5, heel - 0.16), (0.85, heel - 0.08), *sole]]


def _boot(r: np.random.Generator) -> list[Outline]:
    shaft, toe = r.uniform(0.42, 0.55), r.uniform(0.6, 0.72)
    return [
        [(0.12, 0.05), (shaft, 0.05), (shaft, toe - 0.02), (0.92, toe + 0.08), (0.96, 0.92), (0.14, 0.92), (0.1, 0.6)]
    ]


CLOTHES: list[Callable[[np.random.Generator], list[Outline]]] = [_shirt, _trousers, _dress, _bag, _shoe, _boot]
