"""The service's normalisation, for drawings on any device."""

import torch
from torch import Tensor

from app.classifier import normalise as service
from app.drawings.arrays import BLANK_BELOW, BOX, CENTRE, INK_SHARE, LINE_SHARE
from app.drawings.shape import SIDE


def normalised(images: Tensor) -> Tensor:
    """Normalise uint8 (N, 28, 28); on a GPU some pixels differ by one level from the service's."""
    if images.is_cuda:
        return in_torch(images)
    return torch.from_numpy(service.normalise(images.numpy()))


def in_torch(images: Tensor) -> Tensor:
    """Do what `app.classifier.normalise` does, step by step."""
    ink = images.float()
    peak = ink.amax((1, 2))
    mass = ink * (ink > (peak * float(INK_SHARE)).floor().view(-1, 1, 1))
    # Of rows and columns: (2, N, 28).
    lines = torch.stack([mass.sum(2), mass.sum(1)])
    occupied = (lines > (peak * float(LINE_SHARE)).unsqueeze(1)).int()
    start, end = occupied.argmax(2).float(), SIDE - occupied.flip(2).argmax(2).float()
    pixels = torch.arange(SIDE, device=images.device).float()
    centre = (lines * (pixels + 0.5)).sum(2) / lines[0].sum(1).clamp(min=1)

    side = (end - start).amax(0)
    near = (centre - float(CENTRE)).abs().amax(0) <= service.PASS_OFF_CENTRE
    fits = near & (peak >= service.PASS_PEAK) & ((side - service.PASS_SIDE).abs() <= 1)
    step = (side / BOX).clamp(min=1 / service.LARGEST_MAGNIFICATION)
    down, across = _resampling(start, end, centre, step)
    rows, columns = (start.unsqueeze(2) <= pixels + 1) & (end.unsqueeze(2) >= pixels)
    fitted = down @ (ink * (rows.unsqueeze(2) & columns.unsqueeze(1))) @ across.transpose(1, 2)
    fitted = fitted * (255 / fitted.amax((1, 2), keepdim=True).clamp(min=1))
    change = ~fits & (peak >= BLANK_BELOW)
    return torch.where(change.view(-1, 1, 1), fitted.round().to(torch.uint8), images)


def _resampling(start: Tensor, end: Tensor, centre: Tensor, step: Tensor) -> Tensor:
    """Return weights (2, N, 28, 28) from source to target rows and columns."""
    target = torch.minimum(((centre - start) / step).clamp(min=float(CENTRE)), SIDE - (end - centre) / step)
    middles = torch.arange(SIDE, device=step.device) + 0.5
    at = (middles - target.unsqueeze(2)) * step.unsqueeze(1) + centre.unsqueeze(2)
    weights = (step.clamp(min=1).view(-1, 1, 1) - (at.unsqueeze(3) - middles).abs()).clamp(min=0)
    total: Tensor = weights.sum(3, keepdim=True).clamp(min=1e-6)
    return weights / total
