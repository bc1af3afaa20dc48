"""Things that are not digits, made of digits: several in a row, mirrored ones and turned ones."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

Images = npt.NDArray[np.uint8]


def turned(images: Images, labels: npt.NDArray[np.int64]) -> Images:
    """Return the digits mirrored (3, 4, 7, 9), and turned by a quarter and by a half (3, 4, 7)."""
    some, fewer = images[np.isin(labels, (3, 4, 7, 9))], images[np.isin(labels, (3, 4, 7))]
    left, right, half = (np.rot90(fewer, quarters, axes=(1, 2)) for quarters in (1, 3, 2))
    third = len(some) // 3
    return np.concatenate([some[:, :, ::-1], left[:third], right[third : 2 * third], half[2 * third :]])


def several(digits: Tensor, count: int, rng: np.random.Generator, *, box: int, distance: bool) -> Images:
    """Put two or three digits side by side; `digits` uint8 (N, S, S) hold ink or, with `distance`, fields.

    The digits fill `box` of their S pixels, and so does the row.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    parts = [_row(digits, n, c, generator, box, distance) for n, c in ((2, count - count // 4), (3, count // 4))]
    return torch.cat(parts).clamp(0, 255).round().to(torch.uint8).numpy()


def _row(digits: Tensor, places: int, count: int, generator: torch.Generator, box: int, distance: bool) -> Tensor:
    side = digits.shape[1]
    row = torch.full((count, side, side), 255.0 if distance else 0.0)
    # The row is as wide as the box; a digit takes two thirds of its height.
    pitch = torch.rand(count, generator=generator) * 0.2 + (0.42 if places == 2 else 0.27)
    for place in range(places):
        chosen = digits[torch.randint(len(digits), (count,), generator=generator)].unsqueeze(1).float()
        high = (torch.rand(count, generator=generator) * 0.25 + 1) * (0.62 if places == 2 else 0.45)
        wide = high * (torch.rand(count, generator=generator) * 0.2 + 0.75)
        x = (place - (places - 1) / 2) * pitch * box / side * 2
        y = torch.randn(count, generator=generator) * 0.05
        zero = torch.zeros(count)
        rows = torch.stack(
            [torch.stack([1 / wide, zero, -x / wide], 1), torch.stack([zero, 1 / high, -y / high], 1)], 1
        )
        grid = F.affine_grid(rows, [count, 1, side, side], align_corners=False)
        padding = "border" if distance else "zeros"
        placed = F.grid_sample(chosen, grid, padding_mode=padding, align_corners=False).squeeze(1)
        # Distances shrink with the digit.
        row = torch.minimum(row, placed * wide.view(-1, 1, 1)) if distance else torch.maximum(row, placed)
    return row
