"""Read digits, letters, icons and characters from the fetched packages, as distance fields."""

import importlib.util
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

from training import fields
from training.fields import BOX, FINE, SIDE, Fields
from training.mnist import NOT_A_DIGIT
from training.shapes import POINTS
from training.strokes import hand

DIGITS = "0123456789"
# Letters that people also read as digits are in neither list.
PLAIN = "ACEFHJKLMNPQRTUVWXYacdefhjkmnprtuvwxy"
OTHER = {
    "latin": "%@#+=*<>^?ÄÅÇÉÊÑÜàâäãåçéèêëñúùüû",
    "latin-ext": "ĀĂĄĆČĎĘĚĞŁŃŇŔŘŤŪŮŰăąćčďęěğńňŕřťūůű",
    "cyrillic": "АГДЕЖИЙКЛМНПРСТУФХЦШЩЪЫЮЯагдежийклмнпрстуфхцшщъыюя",
    "cyrillic-ext": "ҒҚҢҮҰҺәғқңүұһ",
    "greek": "ΑΓΔΕΗΚΛΜΝΠΣΤΥΦΧΨΩαγηκλμνπτυφχψω",
    "devanagari": "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",
}
PRINTED_ONLY = "BDG"
"""Letters that resemble digits in handwriting only."""
KEPT_ALPHABETS = {"hebrew": "אבגדהחטכלמםפףצץקרשת", "thai": "กขคฆงจฉชซฌญฎฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ"}
KEPT_FONTS = {
    *("kalam", "patrick-hand", "reenie-beanie", "nanum-pen-script", "bad-script", "dancing-script", "rock-salt"),
    *("gochi-hand", "marck-script", "gaegu", "yellowtail", "indie-flower"),
    *("inter", "eb-garamond", "roboto-slab", "work-sans", "tinos", "cousine", "poppins", "zilla-slab", "inconsolata"),
    *("titillium-web", "crimson-text", "old-standard-tt"),
}
"""Fonts that are only measured with."""
HERSHEY = ("futural", "rowmans", "scripts", "cursive", "scriptc")
LIKE_A_DIGIT = re.compile(
    r"\d|alpha|numeric|letter|circle|dot|line|minus|divider|ellipse|record|moon|roman|zero|one|two|three|four|five|six|seven"
    r"|eight|nine|slash|dash|vertical|oval|blank|square|rectangle|null|currency|infinity|dice"
)
"""Names of icons that may hold a digit, or look like a 0 or a 1."""
OTHER_LETTERS = 8_000
ICONS = 3_000
CHARACTERS = 1_500


T = TypeVar("T")
Labelled = tuple[Fields, npt.NDArray[np.int64]]


class Glyph(NamedTuple):
    """A character of a font, with its file."""

    path: Path
    character: str


class Font(NamedTuple):
    """A font of the npm packages: its name, whether it imitates handwriting, and its files by subset and weight."""

    name: str
    handwritten: bool
    files: dict[tuple[str, int], Path]


def fonts(folder: Path) -> list[Font]:
    """Return the fonts of the fetched packages."""
    found = []
    for package in sorted((folder / "node_modules" / "@fontsource").iterdir()):
        about = json.loads((package / "metadata.json").read_text())
        files = {
            (subset, weight): package / "files" / f"{package.name}-{subset}-{weight}-normal.woff"
            for subset in about["subsets"]
            for weight in about["weights"]
        }
        kept = {key: path for key, path in files.items() if path.exists()}
        found.append(Font(package.name, about["category"] == "handwriting", kept))
    return found


def characters(font: Font, wanted: dict[str, str]) -> list[Glyph]:
    """Return the wanted characters that the font has, in its weights nearest to 400 and 700."""
    weights = {weight for _, weight in font.files}
    chosen = sorted({min(weights, key=lambda w: abs(w - near)) for near in (400, 700)}) if weights else []
    found = []
    for subset, letters in wanted.items():
        for weight in chosen:
            path = font.files.get((subset, weight))
            if path:
                with TTFont(path, lazy=True) as read:
                    has = read.getBestCmap()
                found += [Glyph(path, letter) for letter in letters if ord(letter) in has]
    return found


def drawn(glyphs: Iterable[Glyph]) -> Labelled:
    """Return the fields of the glyphs, and for each the index of its glyph: the outline, and the line of thin ones."""
    images, filled, index = [], [], []
    for i, glyph in enumerate(glyphs):
        ink = _ink(glyph)
        if ink is None:
            continue
        images.append(fields.outline_field(ink))
        filled.append(True)
        index.append(i)
        if fields.thickness(ink) < 0.24:
            images.append(fields.line_field(ink))
            filled.append(False)
            index.append(i)
    empty = np.empty((0, SIDE, SIDE), np.uint8)
    return Fields(np.stack(images) if images else empty, np.array(filled, bool)), np.array(index, np.int64)


def _ink(glyph: Glyph) -> npt.NDArray[np.bool_] | None:
    """Draw a glyph so large that it fills the box; None without ink."""
    font = _face(glyph.path)
    left, top, right, bottom = font.getbbox(glyph.character)
    if max(right - left, bottom - top) < 8:
        return None
    drawn = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(drawn).text((-left, -top), glyph.character, fill=255, font=font)
    scale = BOX * FINE / max(drawn.size)
    small = drawn.resize((max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale))))
    image = Image.new("L", (SIDE * FINE, SIDE * FINE))
    image.paste(small, ((image.width - small.width) // 2, (image.height - small.height) // 2))
    ink = np.asarray(image) > 127
    return ink if ink.any() else None


@lru_cache(maxsize=4)
def _face(path: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), 160)


def icons(folder: Path) -> list[Glyph]:
    """Return icons of Material Design to train on."""
    package = folder / "node_modules" / "@mdi" / "font"
    style = (package / "css" / "materialdesignicons.css").read_text()
    named = re.findall(r'\.mdi-([a-z0-9-]+)::before \{\s*content: "\\([0-9A-F]+)"', style)
    path = package / "fonts" / "materialdesignicons-webfont.woff"
    return [Glyph(path, chr(int(code, 16))) for name, code in named if not LIKE_A_DIGIT.search(name)]


def kept_icons(folder: Path) -> list[Glyph]:
    """Return icons of Bootstrap, to measure with."""
    package = folder / "node_modules" / "bootstrap-icons" / "font"
    named = json.loads((package / "bootstrap-icons.json").read_text())
    path = package / "fonts" / "bootstrap-icons.woff"
    return [Glyph(path, chr(code)) for name, code in named.items() if not LIKE_A_DIGIT.search(name)]


def hershey(folder: Path, wanted: str) -> Iterator[tuple[str, list[npt.NDArray[np.float64]]]]:
    """Return the wanted characters of the Hershey fonts, each with its strokes."""
    spec = importlib.util.spec_from_file_location("hershey", folder / "hershey" / "HersheyFonts" / "HersheyFonts.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reader = module.HersheyFonts()
    for name in HERSHEY:
        reader.load_default_font(name)
        for character in wanted:
            strokes = [np.array(s, float) for s in reader.strokes_for_text(character) if len(s) > 1]
            if strokes:
                yield character, strokes


def chinese(folder: Path) -> Iterator[list[npt.NDArray[np.float64]]]:
    """Return the strokes of Chinese characters with 3 to 12 strokes."""
    for path in sorted((folder / "node_modules" / "hanzi-writer-data").glob("?.json")):
        medians = json.loads(path.read_text())["medians"]
        if 3 <= len(medians) <= 12:
            # Their y axis points upwards.
            yield [np.array(m, float) * (1, -1) for m in medians]


def to_train_on(folder: Path, rng: np.random.Generator, every: int = 1) -> dict[str, Labelled]:
    """Return the digits of fonts, and the letters, icons and characters, each with their labels."""
    used = [font for font in fonts(folder) if font.name not in KEPT_FONTS][::every]
    digits = [glyph for font in used for glyph in characters(font, {"latin": DIGITS})]
    made, index = drawn(digits)
    plain, labels = _hershey_fields(folder, DIGITS, rng)
    of_digits = np.concatenate([[DIGITS.index(digits[i].character) for i in index], labels])
    other = [glyph for font in used for glyph in characters(font, OTHER)]
    several = [strokes for strokes in _some(list(chinese(folder)), CHARACTERS // every, rng) for _ in range(2)]
    return {
        "digits of fonts": (fields.join([made, plain]), of_digits),
        "Latin letters": _letters(used, folder, rng),
        "other letters": _none(drawn(_some(other, OTHER_LETTERS // every, rng))[0]),
        "icons": _none(drawn(_some(icons(folder), ICONS // every, rng))[0]),
        "characters": _none(_stroked(several, rng)),
    }


def _some(every: list[T], count: int, rng: np.random.Generator) -> list[T]:
    return [every[i] for i in sorted(rng.permutation(len(every))[:count])]


def _letters(used: list[Font], folder: Path, rng: np.random.Generator) -> Labelled:
    handwritten = [g for font in used if font.handwritten for g in characters(font, {"latin": PLAIN})]
    printed = [g for font in used if not font.handwritten for g in characters(font, {"latin": PLAIN + PRINTED_ONLY})]
    plain, _ = _hershey_fields(folder, PLAIN, rng)
    return _none(fields.join([drawn(handwritten + printed)[0], plain]))


def _none(made: Fields) -> Labelled:
    return made, np.full(len(made.images), NOT_A_DIGIT)


def _hershey_fields(folder: Path, wanted: str, rng: np.random.Generator) -> Labelled:
    """Return characters of the Hershey fonts, each drawn ten times, and their places in `wanted`."""
    found = [pair for pair in hershey(folder, wanted) for _ in range(10)]
    return _stroked([strokes for _, strokes in found], rng), np.array([wanted.index(c) for c, _ in found])


def _stroked(drawings: list[list[npt.NDArray[np.float64]]], rng: np.random.Generator) -> Fields:
    points = []
    for lines in drawings:
        every = np.concatenate(lines)
        size = float(np.ptp(every, axis=0).max())
        points.append(hand([[(float(x), float(y)) for x, y in line / size] for line in lines], rng, POINTS, 0.012))
    return fields.lines(fields.from_points(np.stack(points)))
