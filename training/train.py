"""The training loop: every batch is drawn and distorted anew; the moving average of the weights is kept.

One thread prepares batches while another trains. Sharing each step between two threads takes twice the processor time.
"""

import copy
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F

from app.classifier.normalise import normalise
from training.augment import augment
from training.material import EPOCH, Material
from training.mnist import Digits
from training.network import DigitNetwork

WEIGHT_DECAY = 2e-2
WARM = 0.15
"""Share of the steps in which the learning rate rises."""
LIGHT = 2 / 3
"""From the middle of the training, the share of MNIST's digits that are hardly distorted."""


class Recipe(NamedTuple):
    """Drawings per step, the highest learning rate, and the decay of the moving average of the weights."""

    batch: int
    rate: float
    averaging: float


NEW = Recipe(1024, 4e-3, 0.999)
FINE = Recipe(256, 1e-3, 0.998)
"""For fine-tuning; larger steps would make the network forget."""


@dataclass(frozen=True)
class Validation:
    """A named validation set."""

    name: str
    digits: Digits


class Trained(NamedTuple):
    """The trained network, and the processor time that it took."""

    network: DigitNetwork
    seconds: float


@dataclass
class State:
    """All that a step changes; what is needed to go on later."""

    network: DigitNetwork
    average: DigitNetwork
    optimiser: torch.optim.Optimizer
    drawn: Tensor
    """State of the generator after the last batch that was trained on."""
    step: int = 0
    seconds: float = 0.0
    """Processor time of the steps."""

    def save(self, path: Path) -> None:
        """Write the state; a stop at any time leaves the old file or the new one."""
        content = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "drawn": self.drawn,
            "dropout": torch.get_rng_state(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(content, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Go on where `save` was called."""
        content: dict[str, Any] = torch.load(path, weights_only=True)
        for name in ("network", "average", "optimiser"):
            getattr(self, name).load_state_dict(content[name])
        self.drawn = content["drawn"]
        torch.set_rng_state(content["dropout"])
        self.step, self.seconds = content["step"], content["seconds"]


def train(
    material: Material,
    validations: list[Validation],
    *,
    epochs: int,
    seed: int,
    start: DigitNetwork | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Train a new network, or fine-tune `start`; go on from the checkpoint if it exists."""
    recipe = FINE if start else NEW
    state = _begin(start, recipe, seed)
    if checkpoint and checkpoint.exists():
        state.load(checkpoint)
    an_epoch = math.ceil(EPOCH / recipe.batch)
    steps = epochs * an_epoch
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress, ThreadPoolExecutor(1) as other:
        task = progress.add_task("training", total=steps, completed=state.step)
        batches = _Batches(material, recipe.batch, state, steps, other)
        while state.step < steps:
            started = time.process_time()
            _step(state, recipe, batches.next(), state.step / steps)
            state.seconds += time.process_time() - started
            progress.advance(task)
            if state.step % an_epoch == 0:
                if checkpoint:
                    state.save(checkpoint)
                shown = ", ".join(f"{v.name} {100 * error(state.average, v.digits):.2f} %" for v in validations)
                progress.console.print(f"epoch {state.step // an_epoch}: errors {shown}")
    return Trained(_halfway(start, state.average) if start else state.average, state.seconds)


class Prepared(NamedTuple):
    """Distorted drawings, their labels, and the state of the generator after drawing them."""

    images: Tensor
    labels: Tensor
    drawn: Tensor


class _Batches:
    """Batches, each prepared while the one before is trained on."""

    def __init__(self, material: Material, size: int, state: State, steps: int, thread: ThreadPoolExecutor) -> None:
        self._material, self._size, self._steps, self._thread = material, size, steps, thread
        self._generator = torch.Generator()
        self._generator.set_state(state.drawn)
        self._step = state.step
        self._ahead: Future[Prepared] = thread.submit(self._prepare)

    def next(self) -> Prepared:
        ready = self._ahead.result()
        self._step += 1
        if self._step < self._steps:
            self._ahead = self._thread.submit(self._prepare)
        return ready

    def _prepare(self) -> Prepared:
        light = LIGHT if 2 * self._step >= self._steps else 0.0
        drawn = self._material.batch(self._size, self._generator)
        images, labels = augment(drawn, self._generator, light)
        return Prepared(images, labels, self._generator.get_state())


def _begin(start: DigitNetwork | None, recipe: Recipe, seed: int) -> State:
    torch.manual_seed(seed)
    network = copy.deepcopy(start or DigitNetwork()).to(memory_format=torch.channels_last)
    many, single = ([p for p in network.parameters() if (p.ndim > 1) == large] for large in (True, False))
    groups = [{"params": many, "weight_decay": WEIGHT_DECAY}, {"params": single, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate)
    return State(network, copy.deepcopy(network), optimiser, torch.Generator().manual_seed(seed).get_state())


def _step(state: State, recipe: Recipe, batch: Prepared, done: float) -> None:
    """Follow the gradient of a batch; `done` is the share of the training that is done."""
    state.network.train()
    for group in state.optimiser.param_groups:
        group["lr"] = recipe.rate * _share_of_rate(done)
    state.optimiser.zero_grad(set_to_none=True)
    # Half-precision convolutions take a third of the time; weights and loss stay in full precision.
    with torch.autocast("cpu", torch.bfloat16):
        answer = state.network(batch.images.to(memory_format=torch.channels_last))
    F.cross_entropy(answer.float(), batch.labels).backward()
    state.optimiser.step()
    state.step += 1
    state.drawn = batch.drawn
    _follow(state, recipe.averaging)


def _share_of_rate(done: float) -> float:
    """Return the learning rate as a share of the highest: one cycle, up and down along a cosine."""
    if done < WARM:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * done / WARM)) / 2
    return (1 + math.cos(math.pi * (done - WARM) / (1 - WARM))) / 2


@torch.no_grad()
def _follow(state: State, averaging: float) -> None:
    # At first the average must forget the random weights.
    share = 1 - min(averaging, (1 + state.step) / (10 + state.step))
    for mean, value in zip(state.average.state_dict().values(), state.network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, share)


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
    """Return the logits (N, 11) of drawings uint8 (N, 28, 28), normalised as in the service."""
    network.eval()
    ready = torch.from_numpy(normalise(images)).unsqueeze(1)
    return torch.cat([network(part.float() / 255) for part in ready.split(1000)])


def error(network: DigitNetwork, digits: Digits) -> float:
    """Return the share of digits that are read wrong; the likeliest digit counts, however little it looks like one."""
    return float((logits(network, digits.images)[:, :10].argmax(1).numpy() != digits.labels).mean())
