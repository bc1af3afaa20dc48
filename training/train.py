"""The training loop: each epoch distorts the drawings anew; the network of the best epoch is kept."""

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
"""The peak learning rate for fine-tuning; larger steps would make the network forget."""
WEIGHT_DECAY = 2e-2
AVERAGING = 0.998
"""Decay of the moving average of the weights, over some 500 steps; the average generalises better."""


@dataclass(frozen=True)
class Material:
    """The training data. An epoch has MNIST once, exported drawings `times` times, and some generated digits."""

    mnist: Digits
    exported: Digits
    times: int
    drawn: Digits
    drawn_an_epoch: int

    @property
    def an_epoch(self) -> int:
        """Number of drawings in an epoch."""
        return len(self.mnist.labels) + self.times * len(self.exported.labels) + self.drawn_an_epoch

    @property
    def first_drawn(self) -> int:
        """Index of the first generated digit; these come last."""
        return len(self.mnist.labels) + len(self.exported.labels)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Return all images uint8 (N, 28, 28) and all labels int64 (N,)."""
        parts = (self.mnist, self.exported, self.drawn)
        images, labels = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        return torch.from_numpy(images), torch.from_numpy(labels)

    def order(self, generator: torch.Generator) -> Tensor:
        """Return the shuffled indices of an epoch's drawings."""
        chosen = torch.randint(len(self.drawn.labels), (self.drawn_an_epoch,), generator=generator) + self.first_drawn
        exported = torch.arange(len(self.mnist.labels), self.first_drawn).repeat(self.times)
        order = torch.cat([torch.arange(len(self.mnist.labels)), exported, chosen])
        return order[torch.randperm(len(order), generator=generator)]


@dataclass(frozen=True)
class Validation:
    """A named validation set, used to choose the epoch."""

    name: str
    digits: Digits


@dataclass(frozen=True)
class Trained:
    """The network of the best epoch, the number of the epoch and its errors by validation set."""

    network: DigitNetwork
    epoch: int
    errors: dict[str, float]


def train(
    material: Material, validations: list[Validation], *, epochs: int, seed: int, start: DigitNetwork | None = None
) -> Trained:
    """Train a new network, or fine-tune `start`, and keep the epoch with the lowest mean error."""
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
                # Half-precision convolutions take a third of the time; weights and loss stay in full precision.
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
    """Return the mean cross entropy; the target for NOT_A_DIGIT is ten equal probabilities."""
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
    """Average the weights before and after fine-tuning, which keeps most of the old and of the new accuracy.

    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (arXiv 2109.01903).
    """
    middle = copy.deepcopy(end)
    for weight, before in zip(middle.state_dict().values(), start.state_dict().values(), strict=True):
        weight.lerp_(before, 0.5)
    return middle


@torch.no_grad()
def logits(network: DigitNetwork, images: np.ndarray) -> Tensor:
    """Return the logits (N, 10) of drawings uint8 (N, 28, 28), normalised as in the service."""
    network.eval()
    ready = torch.from_numpy(normalise(images)).unsqueeze(1)
    return torch.cat([network(part.float() / 255) for part in ready.split(1000)])


def _error(network: DigitNetwork, digits: Digits) -> float:
    return float((logits(network, digits.images).argmax(1).numpy() != digits.labels).mean())
