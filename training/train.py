"""The training loop: every batch is drawn and distorted anew; the moving average of the weights is kept.

One thread prepares batches while another trains. Sharing each step between two threads takes twice the processor time.
With teachers, the network learns mostly from their answers (Hinton et al. 2015, arXiv 1503.02531).
"""

import copy
import math
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional as F

from app.classifier.normalise import normalise
from training.augment import augment
from training.material import EPOCH, Material
from training.mnist import Digits
from training.network import DigitNetwork, Teacher
from training.state import State, plan_of

WEIGHT_DECAY = 2e-2
WARM = 0.15
"""Share of the steps in which the learning rate rises."""
LIGHT = 2 / 3
"""From the middle of the training, the share of MNIST's digits that are hardly distorted."""


SOFT = 2.0
"""The temperature at which the answers of teachers are learned."""
FROM_TEACHERS = 0.8
"""Share of the loss that compares with the teachers; the rest compares with the labels."""
DROPOUT = 0.0
"""With teachers; their answers are what dropout would otherwise teach."""


class Recipe(NamedTuple):
    """Drawings per step, the highest learning rate, and the decay of the moving average of the weights."""

    batch: int
    rate: float
    averaging: float
    together: int
    """Batches that a GPU prepares at once, a divisor of those of an epoch; it is as fast with thousands as with one."""


NEW = Recipe(1024, 4e-3, 0.999, 7)
FINE = Recipe(256, 1e-3, 0.998, 17)
"""For fine-tuning; larger steps would make the network forget."""


@dataclass(frozen=True)
class Validation:
    """A named validation set."""

    name: str
    digits: Digits

    @cached_property
    def ready(self) -> Tensor:
        """The drawings, normalised as in the service."""
        return torch.from_numpy(normalise(self.digits.images))


class Trained(NamedTuple):
    """The trained network, the time that it took, and the GPU; without one the time is that of the processor."""

    network: DigitNetwork
    seconds: float
    gpu: str | None


def train(
    material: Material,
    validations: list[Validation],
    start: DigitNetwork | None = None,
    *,
    epochs: int,
    seed: int,
    kind: type[DigitNetwork] = DigitNetwork,
    teachers: Sequence[Teacher] = (),
    checkpoint: Path | None = None,
) -> Trained:
    """Train a new network or fine-tune `start`; go on from the checkpoint if it exists, and refuse another's."""
    recipe = FINE if start else NEW
    state = _begin(start, kind, recipe, seed, material.device)
    if teachers:
        _set_dropout(state.network)
    state.plan = plan_of(material, start, teachers, epochs, seed) if checkpoint else {}
    if checkpoint and checkpoint.exists():
        state.load(checkpoint)
    an_epoch = math.ceil(EPOCH / recipe.batch)
    steps = epochs * an_epoch
    clock = time.perf_counter if state.gpu else time.process_time
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress, ThreadPoolExecutor(1) as other:
        task = progress.add_task("training", total=steps, completed=state.step)
        batches = _Batches(material, teachers, recipe, state, steps, other)
        started = clock()
        while state.step < steps:
            _step(state, recipe, batches.next(), state.step / steps)
            progress.advance(task)
            if state.step % an_epoch == 0:
                state.seconds += clock() - started
                if checkpoint:
                    state.save(checkpoint)
                shown = ", ".join(f"{v.name} {100 * error(state.average, v):.2f} %" for v in validations)
                progress.console.print(f"epoch {state.step // an_epoch}: errors {shown}")
                started = clock()
    done = state.average.cpu()
    return Trained(_halfway(start, done) if start else done, state.seconds, state.gpu)


class Prepared(NamedTuple):
    """Distorted drawings, their labels, what teachers say to them, and the state of the generator afterwards."""

    images: Tensor
    labels: Tensor
    taught: Tensor | None
    """Probabilities (N, 11) at the temperature SOFT."""
    drawn: Tensor


class _Batches:
    """Batches, each prepared while the one before is trained on."""

    def __init__(
        self,
        material: Material,
        teachers: Sequence[Teacher],
        recipe: Recipe,
        state: State,
        steps: int,
        thread: ThreadPoolExecutor,
    ) -> None:
        self._material, self._size, self._steps, self._thread = material, recipe.batch, steps, thread
        self._teachers = [teacher.to(material.device).eval() for teacher in teachers]
        self._together = recipe.together if material.device.type == "cuda" else 1
        self._generator = torch.Generator(material.device)
        if state.step < steps:
            self._generator.set_state(state.drawn)
        self._ready: list[Prepared] = []
        self._step = state.step
        self._ahead = self._begin()

    def next(self) -> Prepared:
        if not self._ready:
            assert self._ahead
            self._ready = self._ahead.result()
            self._step += self._together
            self._ahead = self._begin()
        return self._ready.pop(0)

    def _begin(self) -> Future[list[Prepared]] | None:
        return self._thread.submit(self._prepare) if self._step < self._steps else None

    @torch.no_grad()
    def _prepare(self) -> list[Prepared]:
        light = LIGHT if 2 * self._step >= self._steps else 0.0
        drawn = self._material.batch(self._together * self._size, self._generator)
        images, labels = augment(drawn, self._generator, light)
        if self._together > 1:
            # The kinds are in order.
            mixed = torch.randperm(len(labels), generator=self._generator, device=labels.device)
            images, labels = images[mixed], labels[mixed]
        taught = _taught(self._teachers, images) if self._teachers else None
        parts = [column.split(self._size) for column in (images, labels)]
        answers = taught.split(self._size) if taught is not None else [None] * self._together
        state = self._generator.get_state()
        return [Prepared(*part, state) for part in zip(*parts, answers, strict=True)]


def _taught(teachers: Sequence[Teacher], images: Tensor) -> Tensor:
    """Return the mean of the teachers' probabilities (N, 11) at the temperature SOFT."""
    with torch.autocast(images.device.type, torch.bfloat16):
        answers = [teacher(images.to(memory_format=torch.channels_last)) for teacher in teachers]
    return torch.stack([torch.softmax(answer.float() / SOFT, dim=1) for answer in answers]).mean(0)


def _begin(
    start: DigitNetwork | None, kind: type[DigitNetwork], recipe: Recipe, seed: int, device: torch.device
) -> State:
    torch.manual_seed(seed)
    network = (copy.deepcopy(start) if start else kind()).to(device, memory_format=torch.channels_last)
    many, single = ([p for p in network.parameters() if (p.ndim > 1) == large] for large in (True, False))
    groups = [{"params": many, "weight_decay": WEIGHT_DECAY}, {"params": single, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate)
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return State(
        network, copy.deepcopy(network), optimiser, torch.Generator(device).manual_seed(seed).get_state(), gpu=gpu
    )


def _set_dropout(network: DigitNetwork) -> None:
    for layer in network.layers:
        if isinstance(layer, nn.Dropout):
            layer.p = DROPOUT


def _step(state: State, recipe: Recipe, batch: Prepared, done: float) -> None:
    """Follow the gradient of a batch; `done` is the share of the training that is done."""
    state.network.train()
    for group in state.optimiser.param_groups:
        group["lr"] = recipe.rate * _share_of_rate(done)
    state.optimiser.zero_grad(set_to_none=True)
    # Half-precision convolutions take a third of the time; weights and loss stay in full precision.
    with torch.autocast(batch.images.device.type, torch.bfloat16):
        answer = state.network(batch.images.to(memory_format=torch.channels_last))
    _loss(answer.float(), batch).backward()
    state.optimiser.step()
    state.step += 1
    state.drawn = batch.drawn
    _follow(state, recipe.averaging)


def _loss(answer: Tensor, batch: Prepared) -> Tensor:
    hard = F.cross_entropy(answer, batch.labels)
    if batch.taught is None:
        return hard
    # The square keeps the gradient's size at every temperature.
    soft = SOFT**2 * F.cross_entropy(answer / SOFT, batch.taught)
    return FROM_TEACHERS * soft + (1 - FROM_TEACHERS) * hard


def _share_of_rate(done: float) -> float:
    """Return the learning rate as a share of the highest: one cycle, up and down along a cosine."""
    if done < WARM:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * done / WARM)) / 2
    return (1 + math.cos(math.pi * (done - WARM) / (1 - WARM))) / 2


@torch.no_grad()
def _follow(state: State, averaging: float) -> None:
    # At first the average must forget the random weights.
    share = 1 - min(averaging, (1 + state.step) / (10 + state.step))
    both = zip(state.average.state_dict().values(), state.network.state_dict().values(), strict=True)
    means, values = zip(*((mean, value) for mean, value in both if mean.dtype.is_floating_point), strict=True)
    torch._foreach_lerp_(means, values, share)


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
def logits(network: DigitNetwork, images: Tensor) -> Tensor:
    """Return the logits (N, 11) of normalised drawings uint8 (N, 28, 28)."""
    network.eval()
    device = next(network.parameters()).device
    return torch.cat([network(part.to(device).unsqueeze(1).float() / 255).cpu() for part in images.split(1000)])


def error(network: DigitNetwork, validation: Validation) -> float:
    """Return the share of digits that are read wrong; the likeliest digit counts, however little it looks like one."""
    read = logits(network, validation.ready)[:, :10].argmax(1)
    return float((read.numpy() != validation.digits.labels).mean())
