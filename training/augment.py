"""Random distortions of training drawings, applied to whole batches."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training import fields
from training.material import Bank, Batch
from training.mnist import NOT_A_DIGIT
from training.normalise import normalised

SIDE = 28
FINE = 2
"""Drawings are distorted at twice the resolution and then averaged, as a canvas does."""
NOISE = 0.15
"""Share of the drawings without a digit that are replaced by blank images and noise."""


def augment(batch: Batch, generator: torch.Generator, light: float = 0.0) -> tuple[Tensor, Tensor]:
    """Distort a batch on the generator's device and normalise it as the service does.

    `light` is the share of the digits of MNIST that are hardly distorted: half of them a little, half not at all.
    Returns float32 (N, 1, 28, 28) in 0..1 and the labels int64 (N,).
    """
    strength = _strength(batch.ink.labels, light, generator)
    # Drawings with a pose of their own are bent less often.
    posed = batch.fields.posed & (_uniform(len(batch.fields.posed), generator=generator) > 0.3)
    ink = _bent(batch.ink, strength, generator)
    lines = drawn(batch.fields, torch.where(posed, 0.25, 1.0), generator)
    images, labels = torch.cat([ink, lines]), torch.cat([batch.ink.labels, batch.fields.labels])
    strength = torch.cat([strength, torch.ones_like(strength[:1]).expand(len(lines))])
    raster = torch.arange(len(images), device=images.device) < len(ink)

    def sometimes(chosen: Tensor, change: Callable[[Tensor, torch.Generator], Tensor]) -> None:
        if chosen.any():
            images[chosen] = change(images[chosen], generator)

    # A drawing that is left alone meets none of these chances.
    chance = _uniform(6, len(images), generator=generator) / strength.clamp(min=1e-6)
    sometimes(raster & (chance[0] < 0.4), _thicken)
    sometimes(chance[1] < 0.27, _coarsen)
    sometimes(chance[2] < 0.3, lambda x, g: x.clamp(1e-4, 1) ** _between(0.45, 2.2, len(x), g))
    sometimes((chance[2] > 0.3) & (chance[2] < 0.55), lambda x, g: x * _between(0.12, 1.0, len(x), g))
    sometimes(chance[3] < 0.10, lambda x, g: (x > _between(0.2, 0.6, len(x), g) * x.amax((2, 3), True)).float())
    sometimes(chance[4] < 0.15, lambda x, g: x + _bell(*x.shape, generator=g) * _between(0.01, 0.16, len(x), g))
    sometimes((labels == NOT_A_DIGIT) & (chance[5] < NOISE), lambda x, g: _not_digits(len(x), g))
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).squeeze(1)
    return normalised(pixels).unsqueeze(1).float() / 255, labels


def _strength(labels: Tensor, light: float, generator: torch.Generator) -> Tensor:
    """Return how strongly to distort each drawing, 0 to 1."""
    chance = _uniform(len(labels), generator=generator)
    part = torch.where(chance < light / 2, 0.0, torch.where(chance < light, 0.5, 1.0))
    return torch.where(labels == NOT_A_DIGIT, 1.0, part)


def _uniform(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _bell(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)


def _between(low: float, high: float, n: int, generator: torch.Generator) -> Tensor:
    return low + (high - low) * _uniform(n, 1, 1, 1, generator=generator)


def _bent(bank: Bank, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, shear, stretch, scale, shift and warp ink: float32 (N, 1, 28, 28)."""
    n = len(bank.images)
    images = bank.images.unsqueeze(1).float() / 255
    small = _uniform(n, generator=generator) < 0.4
    scale = torch.where(small, _uniform(n, generator=generator) * 0.7 + 0.5, 1 + _normal(0.05, n, generator))
    scale = 1 + (scale - 1) * strength
    room = 0.12 * strength + (1 - scale).clamp(0, 1)
    grid = _grid(scale, room, strength, 0.075 * strength, generator)
    # Shrinking without a blur would skip pixels, which a canvas does not do.
    source = torch.where((scale < 0.6).view(-1, 1, 1, 1), _blur(images), images)
    bent = F.avg_pool2d(F.grid_sample(source, grid, align_corners=False), FINE)
    return torch.where((strength == 0).view(-1, 1, 1, 1), images, bent)


def drawn(bank: Bank, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Draw fields with random pens, anywhere and of any size, bent by `strength`: float32 (N, 1, 28, 28)."""
    n = len(bank.images)
    size = _uniform(n, generator=generator) * 17 + 9
    pen = (size * (_uniform(n, generator=generator) * 0.145 + 0.045)).clamp(min=0.9)
    scale = size / fields.BOX
    # In coordinates from -1 to 1 the field is as wide as the canvas.
    room = ((SIDE - size - pen) / SIDE).clamp(min=0)
    zoom = scale * fields.SIDE / SIDE
    grid = _grid(zoom, room, strength, 0.075 * strength * size / 20, generator)
    level = F.grid_sample(bank.images.unsqueeze(1).float(), grid, padding_mode="border", align_corners=False)
    zero = torch.where(bank.filled, float(fields.INSIDE), 0.0)
    radius = torch.where(bank.filled, size * (_uniform(n, generator=generator) * 0.06 - 0.02), pen / 2)
    soft = _uniform(n, generator=generator) * 0.8 + 0.5
    # Ink is clip((radius - distance) / soft + 1/2), with all distances in pixels of the canvas.
    slope = scale / fields.LEVELS / soft
    start = radius / soft + 0.5 + zero * slope
    level.mul_(-slope.view(-1, 1, 1, 1)).add_(start.view(-1, 1, 1, 1)).clamp_(0, 1)
    return F.avg_pool2d(level, FINE)


def _normal(scale: float, n: int, generator: torch.Generator) -> Tensor:
    return _bell(n, generator=generator) * scale


def _grid(scale: Tensor, room: Tensor, strength: Tensor, warp: Tensor, generator: torch.Generator) -> Tensor:
    """Return sampling grids (N, 56, 56, 2) that turn, shear, stretch, scale, shift by up to `room`, and warp."""
    n = len(scale)
    wide = _uniform(n, generator=generator) < 0.3
    angle = torch.where(wide, _uniform(n, generator=generator) * 0.8 - 0.4, _normal(0.13, n, generator)) * strength
    shear, aspect = _normal(0.15, n, generator) * strength, torch.exp(_normal(0.13, n, generator) * strength)
    shift = (_uniform(n, 2, generator=generator) - 0.5) * 2 * room.unsqueeze(1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # The matrix maps target to source coordinates, hence the inverse scale.
    across = torch.stack([cos * aspect, -sin + shear], 1) / scale.unsqueeze(1)
    down = torch.stack([sin, cos / aspect], 1) / scale.unsqueeze(1)
    matrix = torch.stack([across, down], 1)
    offset = torch.bmm(matrix, shift.unsqueeze(2))
    grid = F.affine_grid(torch.cat([matrix, offset], 2), [n, 1, SIDE * FINE, SIDE * FINE], align_corners=False)
    most = _uniform(n, 1, 1, 1, generator=generator) * (warp / scale).view(-1, 1, 1, 1)
    coarse = _bell(n, 2, 5, 5, generator=generator) * most
    spline = _SPLINE.to(grid.device)
    return grid.add_((spline @ coarse @ spline.T).permute(0, 2, 3, 1))


_ROWS = F.interpolate(torch.eye(5)[None, None], size=(5, SIDE * FINE), mode="bicubic", align_corners=True)
_SPLINE = _ROWS[0, 0].T.contiguous()
"""Weights (56, 5) that spread five control points over a row."""


def _blur(images: Tensor) -> Tensor:
    kernel = torch.tensor([1.0, 2.0, 1.0], device=images.device) / 4
    return F.conv2d(images, (kernel[:, None] * kernel).view(1, 1, 3, 3), padding=1)


def _thicken(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blend the drawing with its dilation or erosion in a random proportion."""
    n = len(images)
    thick = F.max_pool2d(images, 3, 1, 1)
    thin = -F.max_pool2d(-F.interpolate(images, scale_factor=2, mode="bilinear"), 3, 1, 1)
    thin = F.avg_pool2d(thin, 2)
    other = torch.where(_between(0, 1, n, generator) < 0.55, thick, thin)
    share = _between(0.0, 1.0, n, generator)
    return images + share * (other - images)


def _coarsen(images: Tensor, generator: torch.Generator) -> Tensor:
    """Reduce the resolution, as a scanner or a small canvas does; one size per batch, for speed."""
    side = int(torch.randint(10, 21, (1,), generator=generator, device=generator.device))
    small = F.interpolate(images, size=side, mode="bilinear", antialias=True)
    return F.interpolate(small, size=28, mode="bilinear").clamp(0, 1)


def _not_digits(n: int, generator: torch.Generator) -> Tensor:
    """Generate drawings without a digit: blank, full, and noise of different grain."""
    kind = torch.randint(0, 8, (n,), generator=generator, device=generator.device).view(-1, 1, 1, 1)
    fine = _uniform(n, 1, 28, 28, generator=generator)
    side = int(torch.randint(5, 28, (1,), generator=generator, device=generator.device))
    coarse = _uniform(n, 1, side, side, generator=generator)
    grain, blocks = F.interpolate(coarse, size=28, mode="bilinear"), F.interpolate(coarse, size=28, mode="nearest")
    bell = _bell(*fine.shape, generator=generator) * _between(0.05, 0.5, n, generator)
    specks = (fine < _between(0.005, 0.5, n, generator)).float()
    level = _between(0.0, 1.0, n, generator)
    images = torch.zeros_like(fine)
    for i, made in enumerate((fine, grain, blocks, bell, specks, (grain > 0.5).float(), level.expand_as(fine))):
        images = torch.where(kind == i, made, images)
    return images


def proxies(images: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Make hard versions of MNIST drawings, each uint8 (N, 28, 28), with distortions that occur on real canvases."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(images).unsqueeze(1).float() / 255
    n = len(x)
    corner = torch.randint(0, 2, (n, 2), generator=generator).bool().numpy()
    made = {
        "shifted to a corner": torch.from_numpy(_to_corners(images, corner)).unsqueeze(1).float() / 255,
        "scaled 0.5": _scaled(x, 14),
        "scaled 0.75": _scaled(x, 21),
        "scaled 1.3": _scaled(x, 36),
        "rotated +20 degrees": _rotated(x, 20),
        "rotated -20 degrees": _rotated(x, -20),
        "thinned": F.avg_pool2d(-F.max_pool2d(-F.interpolate(x, scale_factor=2, mode="bilinear"), 3, 1, 1), 2),
        "thickened": F.max_pool2d(x, 3, 1, 1),
        "binarised": (x > 0.5).float(),
        "faint": x * 0.2,
        "noisy": x + torch.randn(x.shape, generator=generator) * 0.12,
    }
    return {name: (y.clamp(0, 1) * 255).round().to(torch.uint8).squeeze(1).numpy() for name, y in made.items()}


def _scaled(x: Tensor, side: int) -> Tensor:
    y = F.interpolate(x, size=side, mode="bilinear", antialias=True)
    rim = (28 - side) // 2
    return F.pad(y, (rim, 28 - side - rim, rim, 28 - side - rim))


def _rotated(x: Tensor, degrees: float) -> Tensor:
    angle = torch.tensor(np.radians(degrees), dtype=torch.float32)
    matrix = torch.tensor([[torch.cos(angle), -torch.sin(angle), 0], [torch.sin(angle), torch.cos(angle), 0]])
    grid = F.affine_grid(matrix.repeat(len(x), 1, 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def _to_corners(images: np.ndarray, corner: np.ndarray) -> np.ndarray:
    moved = np.zeros_like(images)
    for image, (low, right), target in zip(images, corner, moved, strict=True):
        rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        h, w = ink.shape
        target[28 - h if low else 0 : 28 if low else h, 28 - w if right else 0 : 28 if right else w] = ink
    return moved
