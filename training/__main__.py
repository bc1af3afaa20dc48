"""`python -m training`: train, calibrate, export and evaluate the model, and write its card."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from app.classifier import Classifier
from training import card, exported, mnist, pictures, sources, strokes
from training.augment import proxies
from training.calibrate import calibrate
from training.export import export, restore
from training.exported import Exported, Extra
from training.material import Material, collect
from training.mnist import Digits
from training.network import DigitNetwork, Teacher
from training.report import Run, report
from training.state import CheckpointError, load_teacher, save
from training.train import Trained, Validation, error, logits, train

VALIDATION = 5_000
HELD_OUT = 3_000
CHOOSING = 2
"""So many of the validation sets decide: MNIST's, and the hard versions of it."""
ENOUGH = 10
"""A run of at most half as many epochs uses fewer of the drawings."""
SHIPPED = Path("models/digits.onnx")


class Given(NamedTuple):
    """What the files hold that the options name."""

    exports: list[Exported]
    extra: Extra
    start: DigitNetwork | None
    teachers: dict[Path, Teacher]
    """Those that exist."""


def main() -> None:
    """Run the whole training; the test sets are used only at the end, when nothing is chosen any more."""
    options = _options()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(options.device.type == "cpu")
    numbers = mnist.load("train", options.mnist)
    given = _given(options, numbers)
    exports, extra = given.exports, given.extra
    if exports:
        print(f"{len(extra.digits.labels):,} exported drawings, {extra.left_out} left out", flush=True)
    if extra.relabelled:
        print(f"Drawings with several labels: {extra.relabelled:,}; the last one counts", flush=True)
    fit = Digits(numbers.images[:-VALIDATION], numbers.labels[:-VALIDATION])
    check = Digits(numbers.images[-VALIDATION:], numbers.labels[-VALIDATION:])
    packages = None if options.without_fonts else sources.fetch()
    print("Collecting what to train on", flush=True)
    material = collect(fit, extra, options.seed, packages, every=max(1, ENOUGH // max(1, options.epochs)))
    validations = _validations(check, extra, options.seed)
    try:
        trained = _trained(options, material.to(options.device), validations, given)
    except CheckpointError as problem:
        sys.exit(f"training: {problem}")
    both = validations[:CHOOSING]
    answers = torch.cat([logits(trained.network, v.ready) for v in both])
    calibration = calibrate(answers, np.concatenate([v.digits.labels for v in both]))
    export(trained.network, calibration, options.version, options.output)
    errors = {v.name: error(trained.network, v) for v in validations}
    _describe(Run(options, exports, extra, material.kinds, packages, check, errors, calibration, trained))


def _trained(options: argparse.Namespace, material: Material, validations: list[Validation], given: Given) -> Trained:
    """Train the teachers that are missing and so many networks as asked for; return the one that reads best."""
    teachers = []
    for number, path in enumerate(options.teacher, start=1):
        if path not in given.teachers:
            print(f"Training the teacher {path}", flush=True)
            taught = train(material, validations, epochs=options.epochs, seed=options.seed + 100 * number, kind=Teacher)
            save(path, taught.network.state_dict())
        teachers.append(given.teachers.get(path) or load_teacher(path))
    found = []
    for number in range(options.tries):
        checkpoint: Path | None = options.checkpoint
        if checkpoint and number:
            checkpoint = checkpoint.with_stem(f"{checkpoint.stem}-{number + 1}")
        plan = {"epochs": options.epochs, "seed": options.seed + number}
        found.append(train(material, validations, given.start, teachers=teachers, checkpoint=checkpoint, **plan))
    return min(found, key=lambda trained: sum(error(trained.network, v) for v in validations[:CHOOSING]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument(
        "--mnist", type=Path, help="folder with the four MNIST files (default: PIXELWISE_MNIST_DIR, else download)"
    )
    parser.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="EXPORT.npz",
        help="an export of the service to train and evaluate on as well; may be repeated",
    )
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="MODEL.onnx",
        help="fine-tune a model that this command wrote, with small steps: --epochs 2 is enough",
    )
    parser.add_argument("--output", type=Path, default=SHIPPED, help="the model file to write")
    parser.add_argument("--version", default="v2", help="the model version stored in the file")
    _add_training_options(parser)
    parser.add_argument("--without-fonts", action="store_true", help="fetch no packages; the card says so")
    parser.add_argument("--seed", type=_at_least(0), default=1)
    options = parser.parse_args()
    if options.output.suffix != ".onnx":
        parser.error(f"the name of {options.output} must end with .onnx")
    for path in filter(None, (options.output, options.checkpoint, *options.teacher)):
        if not path.parent.is_dir():
            parser.error(f"{path} cannot be written: there is no folder {path.parent}")
    return options


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--epochs", type=_at_least(1), default=78, help="of 100,000 drawings each")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="write the state after every epoch, and go on from there if the file exists and is of the same training",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        metavar="TEACHER.pt",
        help="learn from the answers of this large network, which is trained first if the file is missing; may be"
        " repeated; needs a GPU",
    )
    parser.add_argument(
        "--tries", type=_at_least(1), default=1, help="train so many networks and keep the one that reads best"
    )
    parser.add_argument(
        "--device",
        type=_device,
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="cpu or cuda (default: cuda if there is a GPU)",
    )


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {text}")
        return int(text)

    return number


def _device(name: str) -> torch.device:
    if name not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"must be cpu or cuda, not {name}")
    if name == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError("PyTorch finds no GPU")
    return torch.device(name)


def _given(options: argparse.Namespace, numbers: Digits) -> Given:
    """Read the files that the options name; exit with one line if one cannot be used."""
    try:
        exports = [exported.load(path) for path in options.extra]
        extra = exported.together(exports, numbers.images, mnist.load("t10k", options.mnist).images)
        start = restore(options.start_from) if options.start_from else None
        return Given(exports, extra, start, {path: load_teacher(path) for path in options.teacher if path.exists()})
    except (OSError, ValueError, CheckpointError) as problem:
        sys.exit(f"training: {problem}")


def _validations(check: Digits, extra: Extra, seed: int) -> list[Validation]:
    """Return MNIST's validation part, hard versions of it, generated digits, and those of the exports."""
    hard = proxies(check.images, seed)
    # The card uses other held-out digits, generated with another seed.
    kept = Digits(*strokes.draw(HELD_OUT, np.random.default_rng(seed + 1), held_out=True))
    validations = [
        Validation("MNIST", check),
        Validation("hard versions", Digits(np.concatenate(list(hard.values())), np.tile(check.labels, len(hard)))),
        Validation("held-out styles", kept),
    ]
    return [*validations, Validation("exports", extra.check)] if len(extra.check.labels) else validations


def places(output: Path) -> tuple[Path, Path]:
    """Return the file for the card of a model, and the folder for its pictures."""
    if output.resolve() == SHIPPED.resolve():
        return output.with_name("MODELCARD.md"), Path("docs/images")
    return output.with_suffix(".md"), output.with_suffix("")


def _describe(run: Run) -> None:
    """Evaluate the model and write its card."""
    output: Path = run.options.output
    classifier = Classifier(output)
    found = report(run, classifier)
    path, folder = places(output)
    shown = {other.kept.name: pictures.draw(other, folder) for other in found.others}
    card.write(found, classifier, path, output.stat().st_size, shown)
    for e in found.exports:
        if e.measured:
            before = f", {100 * e.before.accuracy:.2f} % before" if e.before else ""
            print(f"{e.name}: {100 * e.measured.accuracy:.2f} % of {e.measured.count} test drawings{before}")
    print(f"MNIST test accuracy {100 * found.test.accuracy:.2f} %; wrote {output} and {path}")


if __name__ == "__main__":
    main()
