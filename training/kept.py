"""Drawings that nothing was trained on: whole fonts, alphabets and shapes, by kind."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from training import blobs, combine, fields, glyphs, shapes, strokes
from training.augment import drawn
from training.fields import Fields
from training.glyphs import Font, Glyph
from training.material import Bank
from training.mnist import Digits

COUNT = 4_000
Images = npt.NDArray[np.uint8]


class Kept(NamedTuple):
    """A kept-out set: its name, what it holds, and drawings uint8 (N, 28, 28)."""

    name: str
    what: str
    images: Images


def not_digits(digits: Digits, folder: Path | None, seed: int) -> list[Kept]:
    """Return the kept-out sets without a single digit; `digits` are put in rows."""
    rng = np.random.default_rng(seed)
    sets = _of_fonts(folder, rng) if folder else []
    known = [shapes.SHAPES[name] for name in sorted(shapes.KEPT_SHAPES)]
    names = ", ".join(sorted(shapes.KEPT_SHAPES))
    sets.append(Kept("shapes", f"drawn by us: {names}", _lines(shapes.draw(known, COUNT, rng), rng)))
    sets.append(Kept("scribbles", "random lines", _lines(shapes.draw([shapes.scribble], COUNT, rng), rng)))
    sets.append(Kept("clothes", "silhouettes of clothes, shaded and textured", blobs.clothes(COUNT, rng)))
    row = combine.several(torch.from_numpy(digits.images), COUNT, rng, box=20, distance=False)
    sets.append(Kept("several digits", "two or three digits of MNIST's validation part in a row", row))
    return sets


def digits_of_fonts(folder: Path, seed: int) -> Digits:
    """Return the digits of the kept-out fonts."""
    rng = np.random.default_rng(seed)
    found = [g for font in _fonts(folder) for g in glyphs.characters(font, {"latin": glyphs.DIGITS})]
    made, index = glyphs.drawn(found)
    labels = np.array([glyphs.DIGITS.index(found[i].character) for i in index])
    chosen = rng.integers(0, len(labels), COUNT)
    return Digits(_render(Fields(made.images[chosen], made.filled[chosen]), 1.0, rng), labels[chosen])


def canvas_digits(count: int, seed: int) -> Digits:
    """Return generated digits in held-out styles."""
    return Digits(*strokes.draw(count, np.random.default_rng(seed), held_out=True))


def _fonts(folder: Path) -> list[Font]:
    return [font for font in glyphs.fonts(folder) if font.name in glyphs.KEPT_FONTS]


def _of_fonts(folder: Path, rng: np.random.Generator) -> list[Kept]:
    hand = [font for font in _fonts(folder) if font.handwritten]
    printed = [font for font in _fonts(folder) if not font.handwritten]
    plain, more = {"latin": glyphs.PLAIN}, {"latin": glyphs.PLAIN + glyphs.PRINTED_ONLY}
    foreign = [g for font in glyphs.fonts(folder) for g in glyphs.characters(font, glyphs.KEPT_ALPHABETS)]
    return [
        Kept(
            "handwritten letters",
            f"Latin letters of {len(hand)} handwriting fonts",
            _shown([g for font in hand for g in glyphs.characters(font, plain)], 1.0, rng),
        ),
        Kept(
            "printed letters",
            f"Latin letters of {len(printed)} fonts, as printed",
            _shown([g for font in printed for g in glyphs.characters(font, more)], 0.0, rng, printed=True),
        ),
        Kept("other alphabets", "Hebrew and Thai letters", _shown(foreign, 1.0, rng)),
        Kept("icons", "Bootstrap icons", _shown(glyphs.kept_icons(folder), 0.25, rng)),
    ]


def _shown(found: list[Glyph], strength: float, rng: np.random.Generator, *, printed: bool = False) -> Images:
    """Draw COUNT of the glyphs."""
    made, _ = glyphs.drawn([found[i] for i in rng.permutation(len(found))[:COUNT]])
    usable = np.flatnonzero(made.filled) if printed else np.arange(len(made.filled))
    chosen = rng.choice(usable, COUNT)
    return _render(Fields(made.images[chosen], made.filled[chosen]), strength, rng)


def _lines(images: Images, rng: np.random.Generator) -> Images:
    return _render(fields.lines(images), 0.25, rng)


def _render(made: Fields, strength: float, rng: np.random.Generator) -> Images:
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    count = len(made.images)
    bank = Bank(torch.from_numpy(made.images), torch.zeros(count), torch.from_numpy(made.filled), torch.zeros(count))
    image = drawn(bank, torch.full((count,), strength), generator)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).squeeze(1).numpy()
