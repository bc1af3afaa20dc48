"""Drawings that are not a digit: what the training makes, what it keeps out, and how they are measured."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

# The training has an environment of its own.
torch = pytest.importorskip("torch")
pytest.importorskip("skimage")

from PIL import ImageFont  # noqa: E402

from training import blobs, combine, evaluate, fields, glyphs, material, shapes, sources, strokes  # noqa: E402
from training.exported import Extra  # noqa: E402
from training.mnist import NOT_A_DIGIT, Digits  # noqa: E402

NONE = Extra(Digits(np.empty((0, 28, 28), np.uint8), np.empty(0, np.int64)), Digits(np.empty(0), np.empty(0)), 0, 0)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Packages with two fonts, one of them kept out, an icon font and a Chinese character."""
    # Pillow brings one font.
    font = ImageFont.load_default(20).font_bytes  # type: ignore[union-attr]
    for name in ("roboto", "inter"):
        folder = tmp_path / "node_modules/@fontsource" / name
        (folder / "files").mkdir(parents=True)
        (folder / "files" / f"{name}-latin-400-normal.woff").write_bytes(font)
        about = {"subsets": ["latin"], "weights": [400], "category": "sans-serif"}
        (folder / "metadata.json").write_text(json.dumps(about))
    return tmp_path


def drawn_digits(count: int) -> Digits:
    return Digits(*strokes.draw(count, np.random.default_rng(1)))


def test_field_of_a_line_holds_the_distance_to_it() -> None:
    line = np.stack([np.full(200, 0.0), np.linspace(-0.5, 0.5, 200)], axis=1).astype(np.float32)
    (field,) = fields.from_points(line[None])
    row = field[fields.SIDE // 2].astype(float) / fields.LEVELS
    expected = np.abs(np.arange(fields.SIDE) + 0.5 - fields.SIDE / 2)
    near = expected < 15
    assert row[near] == pytest.approx(expected[near], abs=0.1)


def test_field_of_an_outline_tells_inside_from_outside() -> None:
    ink = np.zeros((fields.SIDE * fields.FINE,) * 2, bool)
    ink[42:102, 42:102] = True
    field = fields.outline_field(ink)
    assert field[24, 24] < fields.INSIDE - 5 * fields.LEVELS
    assert field[24, 4] > fields.INSIDE + 5 * fields.LEVELS
    assert fields.thickness(ink) == pytest.approx(60 / (fields.FINE * fields.BOX), abs=0.03)


def test_kept_shapes_are_never_drawn_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    def watched(name: str) -> None:
        shape = shapes.SHAPES[name]

        def watch(rng: np.random.Generator) -> list[shapes.Stroke]:
            asked.add(name)
            return shape(rng)

        monkeypatch.setitem(shapes.SHAPES, name, watch)

    for name in list(shapes.SHAPES):
        watched(name)
    material.collect(drawn_digits(60), NONE, 1, None, every=40)
    assert asked == set(shapes.SHAPES) - shapes.KEPT_SHAPES
    assert len(shapes.KEPT_SHAPES) >= 5


def test_kept_fonts_are_never_read_for_training(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[glyphs.Glyph] = []
    monkeypatch.setattr(glyphs, "drawn", lambda found: read.extend(found) or real(found))
    monkeypatch.setattr(glyphs, "icons", lambda folder: [])
    monkeypatch.setattr(glyphs, "chinese", lambda folder: iter([[np.array([[0.0, 0.0], [1.0, 1.0]])]]))
    monkeypatch.setattr(glyphs, "hershey", lambda folder, wanted: iter([(wanted[0], [np.array([[0.0, 0], [1, 2]])])]))
    real = glyphs_drawn
    found = glyphs.to_train_on(packages, np.random.default_rng(1))
    assert {glyph.path.name for glyph in read} == {"roboto-latin-400-normal.woff"}
    assert set(found["digits of fonts"][1].tolist()) == set(range(10))
    assert set(found["Latin letters"][1].tolist()) == {NOT_A_DIGIT}


glyphs_drawn = glyphs.drawn


def test_letters_that_look_like_a_digit_are_in_no_list() -> None:
    letters = set(glyphs.PLAIN + "".join(glyphs.OTHER.values()))
    assert letters.isdisjoint("0123456789OoIlSsZzBgqbiDG" + "бвзочьэЗОЧЭЬ" + "βδεζθιξορσςΟΘ")


def test_batches_mix_the_kinds_as_configured_and_the_same_seed_gives_the_same_batch() -> None:
    made = material.collect(drawn_digits(60), NONE, 1, None, every=40)

    def batch(seed: int) -> material.Batch:
        return made.batch(8_000, torch.Generator().manual_seed(seed))

    first, again = batch(1), batch(1)
    assert torch.equal(first.ink.images, again.ink.images)
    assert not torch.equal(first.ink.labels[:500], batch(2).ink.labels[:500])
    labels = torch.cat([first.ink.labels, first.fields.labels])
    weights = {kind.name: kind.weight for kind in made.kinds}
    none = 1 - (material.SHARES["MNIST"] + material.SHARES["generated digits"]) / sum(k.weight for k in made.kinds)
    assert "Latin letters" not in weights, "fonts were not there"
    assert float((labels == NOT_A_DIGIT).float().mean()) == pytest.approx(none, abs=0.02)


def test_few_exported_drawings_are_shown_twenty_times_an_epoch() -> None:
    exported = drawn_digits(50)
    extra = Extra(exported, Digits(exported.images[:0], exported.labels[:0]), 0, 0)
    made = material.collect(drawn_digits(60), extra, 1, None, every=40)
    (weight,) = (kind.weight for kind in made.kinds if kind.name == "exported drawings")
    assert weight / sum(kind.weight for kind in made.kinds) == pytest.approx(20 * 50 / material.EPOCH)


def test_digits_that_turn_into_digits_are_not_turned() -> None:
    digits = drawn_digits(400)
    known = Counter(digits.labels.tolist())
    turned = combine.turned(digits.images, digits.labels)
    mirrored = sum(known[digit] for digit in (3, 4, 7, 9))
    assert mirrored < len(turned) <= mirrored + sum(known[digit] for digit in (3, 4, 7))


@pytest.mark.parametrize(("box", "distance"), [(20, False), (fields.BOX, True)])
def test_row_has_a_digit_on_either_side(box: int, distance: bool) -> None:
    if distance:
        points, _ = strokes.trace(40, np.random.default_rng(1))
        digits = torch.from_numpy(fields.from_points(points))
    else:
        digits = torch.from_numpy(drawn_digits(40).images)
    rows = combine.several(digits, 30, np.random.default_rng(1), box=box, distance=distance)
    ink = rows < 16 if distance else rows > 100
    half = rows.shape[2] // 2
    assert ink[:, :, :half].any(axis=(1, 2)).mean() > 0.9
    assert ink[:, :, half:].any(axis=(1, 2)).mean() > 0.9


def test_blobs_and_clothes_have_ink() -> None:
    for draw in (blobs.blobs, blobs.clothes):
        images = draw(60, np.random.default_rng(1))
        assert (images.shape, images.dtype) == ((60, 28, 28), np.uint8)
        assert (images.max(axis=(1, 2)) > 30).mean() > 0.9


def test_without_npm_there_are_no_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources, "CACHE", tmp_path / "sources")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sources.fetch() is None
    assert "Without fonts and icons" in capsys.readouterr().out


def test_every_package_has_a_version_and_a_checksum_and_names_no_host() -> None:
    text = (sources.PACKAGES / "package-lock.json").read_text()
    locked = json.loads(text)["packages"]
    wanted = json.loads((sources.PACKAGES / "package.json").read_text())["dependencies"]
    assert {name.removeprefix("node_modules/") for name in locked if name} == set(wanted)
    assert all(part["integrity"].startswith("sha512-") for name, part in locked.items() if name)
    assert "--hash=sha256:" in (sources.PACKAGES / "hershey.txt").read_text()
    assert "http" not in text


def test_separation_is_the_share_of_pairs_in_the_right_order() -> None:
    lower, higher = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.25, 0.9])
    assert evaluate.separation(lower, higher) == pytest.approx(6 / 8)
    assert evaluate.separation(higher, higher) == pytest.approx(0.5)


def test_harder_comparison_counts() -> None:
    def answers(doubts: list[float], confidence: float) -> evaluate.Answers:
        return evaluate.Answers(np.zeros(len(doubts), np.int64), np.full(len(doubts), confidence), np.array(doubts))

    easy, hard = answers([0.0, 0.1], 0.99), answers([0.0, 0.7], 0.99)
    found = evaluate.doubted(answers([0.6, 0.8], 0.95), [easy, hard])
    assert found == evaluate.Doubted(2, sure=1.0, flagged=1.0, separation=0.75)
