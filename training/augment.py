"""Random distortions of training drawings, applied to whole batches."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from app.classifier.normalise import normalise
from training.mnist import NOT_A_DIGIT


def augment(images: Tensor, labels: Tensor, drawn: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Distort a batch and normalise it as the service does.

    images: float32 (N, 1, 28, 28) in 0..1; labels: int64 (N,); drawn: bool (N,), true for generated digits, which are
    warped less often. Returns normalised images of the same shape and dtype, and labels with NOT_A_DIGIT where a
    drawing was replaced by noise.
    """
    n = len(images)
    images = images.clone()

    def sometimes(chosen: Tensor, change: Callable[[Tensor, torch.Generator], Tensor]) -> None:
        if chosen.any():
            images[chosen] = change(images[chosen], generator)

    chance = torch.rand(7, n, generator=generator)
    sometimes(torch.where(drawn, chance[0] < 0.25, chance[0] < 0.88), _bend)
    sometimes(chance[1] < 0.4, _thicken)
    sometimes(chance[2] < 0.18, _coarsen)
    sometimes(chance[3] < 0.3, lambda x, g: x.clamp(1e-4, 1) ** _between(0.45, 2.2, len(x), g))
    sometimes(chance[3] > 0.75, lambda x, g: x * _between(0.12, 1.0, len(x), g))
    sometimes(chance[4] < 0.08, lambda x, g: (x > _between(0.2, 0.6, len(x), g)).float())
    sometimes(chance[5] < 0.15, lambda x, g: x + torch.randn(x.shape, generator=g) * _between(0.01, 0.16, len(x), g))
    nothing = chance[6] < 0.04
    sometimes(nothing, lambda x, g: _not_digits(len(x), g))
    labels = torch.where(nothing, NOT_A_DIGIT, labels)
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).squeeze(1).numpy()
    return torch.from_numpy(normalise(pixels)).unsqueeze(1).float() / 255, labels


def _between(low: float, high: float, n: int, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)


def _bend(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate, shear, stretch, scale, shift and warp elastically, with one resampling."""
    n = len(images)

    def normal(scale: float) -> Tensor:
        return torch.randn(n, generator=generator) * scale

    wide = torch.rand(n, generator=generator) < 0.3
    angle = torch.where(wide, torch.rand(n, generator=generator) * 0.8 - 0.4, normal(0.13))
    shear, aspect = normal(0.15), torch.exp(normal(0.13))
    small = torch.rand(n, generator=generator) < 0.4
    scale = torch.where(small, torch.rand(n, generator=generator) * 0.7 + 0.5, 1 + normal(0.05))
    shift = (torch.rand(n, 2, generator=generator) - 0.5) * (0.12 + (1 - scale).clamp(0, 1).unsqueeze(1))
    cos, sin = torch.cos(angle), torch.sin(angle)
    # The matrix maps target to source coordinates, hence the inverse scale.
    x = torch.stack([cos * aspect, -sin + shear, shift[:, 0]], 1) / scale.unsqueeze(1)
    y = torch.stack([sin, cos / aspect, shift[:, 1]], 1) / scale.unsqueeze(1)
    grid = F.affine_grid(torch.stack([x, y], 1), [n, 1, 28, 28], align_corners=False)
    coarse = torch.randn(n, 2, 5, 5, generator=generator) * _between(0.0, 0.075, n, generator)
    warp = F.interpolate(coarse, size=28, mode="bicubic", align_corners=True)
    # Shrinking without a blur would skip pixels, which a canvas does not do.
    images = torch.where((scale < 0.75).view(-1, 1, 1, 1), _blur(images), images)
    return F.grid_sample(images, grid + warp.permute(0, 2, 3, 1), align_corners=False)


def _blur(images: Tensor) -> Tensor:
    kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
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
    side = int(torch.randint(10, 21, (1,), generator=generator))
    small = F.interpolate(images, size=side, mode="bilinear", antialias=True)
    return F.interpolate(small, size=28, mode="bilinear").clamp(0, 1)


def _not_digits(n: int, generator: torch.Generator) -> Tensor:
    """Generate drawings without a digit: blank, full, and noise of different grain."""
    kind = torch.randint(0, 8, (n,), generator=generator).view(-1, 1, 1, 1)
    fine = torch.rand(n, 1, 28, 28, generator=generator)
    side = int(torch.randint(5, 28, (1,), generator=generator))
    coarse = torch.rand(n, 1, side, side, generator=generator)
    grain, blocks = F.interpolate(coarse, size=28, mode="bilinear"), F.interpolate(coarse, size=28, mode="nearest")
    bell = torch.randn(fine.shape, generator=generator) * _between(0.05, 0.5, n, generator)
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
