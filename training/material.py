"""Collect what the network is trained on, by kind, and draw batches from it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training import blobs, combine, fields, glyphs, shapes, strokes
from training.exported import Extra
from training.fields import Fields
from training.mnist import NOT_A_DIGIT, Digits

SHARES = {
    "MNIST": 0.50,
    "generated digits": 0.12,
    "digits of fonts": 0.10,
    "Latin letters": 0.100,
    "other letters": 0.040,
    "icons": 0.020,
    "characters": 0.010,
    "shapes": 0.016,
    "scribbles": 0.018,
    "blobs": 0.040,
    "several digits": 0.020,
    "turned digits": 0.014,
}
"""How often each kind is drawn; without the fonts, the others take their part."""
EPOCH = 100_000
"""Drawings in an epoch."""
DRAWN = 40_000
SHAPES = 6_000
SCRIBBLES = 8_000
BLOBS = 15_000
SEVERAL = 8_000
TURNED = 20_000


Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


class Bank(NamedTuple):
    """Drawings of one form, ink 28 x 28 or fields, with labels; `posed` ones were slanted when they were made."""

    images: Tensor
    labels: Tensor
    filled: Tensor
    posed: Tensor


class Kind(NamedTuple):
    """A kind of drawings: a range of a bank, and its weight in the batches."""

    name: str
    field: bool
    start: int
    stop: int
    weight: float


class Batch(NamedTuple):
    """Drawings of a batch, as ink and as fields."""

    ink: Bank
    fields: Bank


class Material:
    """All drawings to train on."""

    def __init__(self) -> None:
        self.kinds: list[Kind] = []
        # First ink, then fields, as in a batch.
        self._parts: tuple[list[Bank], list[Bank]] = ([], [])
        self._banks: list[Bank] = []
        self.device = torch.device("cpu")

    def add(self, name: str, made: Images | Fields, labels: Labels, weight: float, *, posed: bool = False) -> None:
        """Add drawings, uint8 (N, 28, 28) or fields."""
        if not len(labels):
            return
        field = isinstance(made, Fields)
        images, filled = made if isinstance(made, Fields) else (made, np.zeros(len(made), bool))
        start = sum(len(part.labels) for part in self._parts[field])
        self.kinds.append(Kind(name, field, start, start + len(labels), weight))
        columns = (images, labels, filled, np.full(len(labels), posed))
        self._parts[field].append(Bank(*(torch.from_numpy(column) for column in columns)))

    def finish(self) -> "Material":
        """Put the drawings of each form into one bank."""
        self._banks = [Bank(*(torch.cat(column) for column in zip(*parts, strict=True))) for parts in self._parts]
        self._parts = ([], [])
        return self

    def to(self, device: torch.device) -> "Material":
        """Move all drawings to a device, where the batches are then drawn."""
        self._banks = [Bank(*(column.to(device) for column in bank)) for bank in self._banks]
        self.device = device
        return self

    def tensors(self) -> Iterator[Tensor]:
        """Yield the tensors that batches are drawn from."""
        return (column for bank in self._banks for column in bank)

    def batch(self, count: int, generator: torch.Generator) -> Batch:
        """Draw a batch: first the kind of each drawing, then one of that kind."""
        weights, starts, sizes, fields_ = (
            torch.tensor(column, device=self.device)
            for column in zip(*((k.weight, k.start, k.stop - k.start, k.field) for k in self.kinds), strict=True)
        )
        chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
        chance = torch.rand(count, generator=generator, dtype=torch.float64, device=self.device)
        index = starts[chosen] + (chance * sizes[chosen]).long()
        field = fields_[chosen]
        return Batch(*(Bank(*(part[index[field == form]] for part in bank)) for form, bank in enumerate(self._banks)))


def collect(fit: Digits, extra: Extra, seed: int, folder: Path | None, *, every: int = 1) -> Material:
    """Make everything to train on, and read the fetched packages in `folder` if there are any.

    A short run needs less of it: of each kind but MNIST and the exports only every `every`-th drawing.
    """
    rng = np.random.default_rng(seed)
    material = Material()
    material.add("MNIST", fit.images, fit.labels, SHARES["MNIST"])
    points, labels = strokes.trace(DRAWN // every, rng)
    drawn = fields.lines(fields.from_points(strokes.shaken(points, rng)))
    material.add("generated digits", drawn, labels, SHARES["generated digits"], posed=True)
    _add_made(material, rng, fit, Digits(drawn.images, labels), every)
    if folder:
        for name, (made, index) in glyphs.to_train_on(folder, rng, every).items():
            material.add(name, made, index, SHARES[name])
    share, others = extra.share(EPOCH), sum(kind.weight for kind in material.kinds)
    material.add("exported drawings", extra.digits.images, extra.digits.labels, others * share / (1 - share))
    return material.finish()


def _add_made(material: Material, rng: np.random.Generator, fit: Digits, drawn: Digits, every: int) -> None:
    """Add the non-digits that we make: shapes, scribbles, blobs, digits in a row and turned digits.

    `fit` holds MNIST's digits as ink, `drawn` generated digits as fields.
    """

    def add(name: str, made: Images, share: float = 1.0) -> None:
        form = fields.lines(made) if made.shape[1] == fields.SIDE else made
        material.add(name, form, np.full(len(made), NOT_A_DIGIT), SHARES[name] * share, posed=True)

    known = [shape for name, shape in sorted(shapes.SHAPES.items()) if name not in shapes.KEPT_SHAPES]
    add("shapes", shapes.draw(known, SHAPES // every, rng))
    add("scribbles", shapes.draw([shapes.scribble], SCRIBBLES // every, rng))
    add("blobs", blobs.blobs(BLOBS // every, rng))
    for digits, box, distance in ((fit, 20, False), (drawn, fields.BOX, True)):
        row = combine.several(torch.from_numpy(digits.images), SEVERAL // every, rng, box=box, distance=distance)
        add("several digits", row, 0.5)
    for digits in (fit, drawn):
        add("turned digits", combine.turned(digits.images[:TURNED], digits.labels[:TURNED]), 0.5)
