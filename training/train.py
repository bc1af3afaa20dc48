"""The training loop: every epoch a fresh distortion of MNIST and of the drawn digits; the best epoch is kept."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F

from app.classifier.normalise import normalise
from training.augment import augment
from training.mnist import NOT_A_DIGIT, Digits
from training.network import DigitNetwork

BATCH = 256
PEAK_RATE = 3e-3
FINE_RATE = 1e-3
"""The peak for a network that can read already, which greater steps would make forget."""
WEIGHT_DECAY = 2e-2
AVERAGING = 0.998
"""The weights that are kept are a moving average over some 500 steps; it generalises better than any one step."""


@dataclass(frozen=True)
class Material:
    """What is trained on: in an epoch MNIST once, every drawing of an export `times` and some of the drawn digits."""

    mnist: Digits
    exported: Digits
    times: int
    drawn: Digits
    drawn_an_epoch: int

    @property
    def an_epoch(self) -> int:
        """How many drawings an epoch shows."""
        return len(self.mnist.labels) + self.times * len(self.exported.labels) + self.drawn_an_epoch

    @property
    def first_drawn(self) -> int:
        """The place of the first of the drawn digits, which come last."""
        return len(self.mnist.labels) + len(self.exported.labels)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """All images uint8 (N, 28, 28) and all labels int64 (N,)."""
        parts = (self.mnist, self.exported, self.drawn)
        images, labels = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        return torch.from_numpy(images), torch.from_numpy(labels)

    def order(self, generator: torch.Generator) -> Tensor:
        """The places of an epoch's drawings, shuffled."""
        chosen = torch.randint(len(self.drawn.labels), (self.drawn_an_epoch,), generator=generator) + self.first_drawn
        exported = torch.arange(len(self.mnist.labels), self.first_drawn).repeat(self.times)
        order = torch.cat([torch.arange(len(self.mnist.labels)), exported, chosen])
        return order[torch.randperm(len(order), generator=generator)]


@dataclass(frozen=True)
class Validation:
    """One set of drawings on which epochs are compared."""

    name: str
    digits: Digits


@dataclass(frozen=True)
class Trained:
    """The network of the best epoch, the epoch's number and its errors by validation set."""

    network: DigitNetwork
    epoch: int
    errors: dict[str, float]


def train(
    material: Material, validations: list[Validation], *, epochs: int, seed: int, start: DigitNetwork | None = None
) -> Trained:
    """Train a new network, or one that can read already, and keep the epoch with the lowest mean error."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = copy.deepcopy(start or DigitNetwork()).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    rate = FINE_RATE if start else PEAK_RATE
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    steps = epochs * math.ceil(material.an_epoch / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.15)
    images, labels = material.tensors()
    best: Trained | None = None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=steps)
        for epoch in range(1, epochs + 1):
            network.train()
            for batch in material.order(generator).split(BATCH):
                x = images[batch].unsqueeze(1).float() / 255
                x, y = augment(x, labels[batch], batch >= material.first_drawn, generator)
                optimiser.zero_grad(set_to_none=True)
                # Half-precision convolutions take a third of the time; weights, sums and the loss stay in full.
                with torch.autocast("cpu", torch.bfloat16):
                    answer = network(x.to(memory_format=torch.channels_last))
                _loss(answer.float(), y).backward()
                optimiser.step()
                schedule.step()
                _follow(average, network)
                progress.advance(task)
            reached = _halfway(start, average) if start else copy.deepcopy(average)
            errors = {v.name: _error(reached, v.digits) for v in validations}
            mean = sum(errors.values()) / len(errors)
            if best is None or mean <= sum(best.errors.values()) / len(best.errors):
                best = Trained(reached, epoch, errors)
            shown = ", ".join(f"{name} {100 * error:.2f} %" for name, error in errors.items())
            progress.console.print(f"epoch {epoch}: errors {shown}")
    assert best is not None
    return best


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy; for what is not a digit, against ten equal probabilities."""
    digit = labels != NOT_A_DIGIT
    loss = F.cross_entropy(logits, labels.clamp(min=0), reduction="none")
    level = -F.log_softmax(logits, dim=1).mean(dim=1)
    return torch.where(digit, loss, level).mean()


@torch.no_grad()
def _follow(average: DigitNetwork, network: DigitNetwork) -> None:
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - AVERAGING)


@torch.no_grad()
def _halfway(start: DigitNetwork, end: DigitNetwork) -> DigitNetwork:
    """The network whose weights lie in the middle: it has learnt most of what is new and forgotten least of the old.

    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (arXiv 2109.01903).
    """
    middle = copy.deepcopy(end)
    for weight, before in zip(middle.state_dict().values(), start.state_dict().values(), strict=True):
        weight.lerp_(before, 0.5)
    return middle


@torch.no_grad()
def logits(network: DigitNetwork, images: np.ndarray) -> Tensor:
    """The logits (N, 10) of drawings uint8 (N, 28, 28), normalised as the service does."""
    network.eval()
    ready = torch.from_numpy(normalise(images)).unsqueeze(1)
    return torch.cat([network(part.float() / 255) for part in ready.split(1000)])


def _error(network: DigitNetwork, digits: Digits) -> float:
    return float((logits(network, digits.images).argmax(1).numpy() != digits.labels).mean())
