"""`python -m training`: train, calibrate, export and evaluate the model, and write its card."""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from app.classifier import Classifier
from training import card, exported, mnist, pictures, sources, strokes
from training.augment import proxies
from training.calibrate import calibrate
from training.export import export, restore
from training.exported import Exported, Extra
from training.material import collect
from training.mnist import Digits
from training.network import DigitNetwork
from training.report import Run, report
from training.train import Validation, error, logits, train

VALIDATION = 5_000
HELD_OUT = 3_000
ENOUGH = 10
"""A run of fewer epochs uses fewer of the drawings."""
SHIPPED = Path("models/digits.onnx")


def main() -> None:
    """Run the whole training; the test sets are used only at the end, when nothing is chosen any more."""
    options = _options()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    numbers = mnist.load("train", options.mnist)
    exports, extra, start = _given(options, numbers)
    if exports:
        print(f"{len(extra.digits.labels):,} exported drawings, {extra.left_out} left out", flush=True)
    fit = Digits(numbers.images[:-VALIDATION], numbers.labels[:-VALIDATION])
    check = Digits(numbers.images[-VALIDATION:], numbers.labels[-VALIDATION:])
    packages = None if options.without_fonts else sources.fetch()
    print("Collecting what to train on", flush=True)
    material = collect(fit, extra, options.seed, packages, every=max(1, ENOUGH // max(1, options.epochs)))
    validations = _validations(check, extra, options.seed)
    network, seconds = train(
        material, validations, epochs=options.epochs, seed=options.seed, start=start, checkpoint=options.checkpoint
    )
    both = [v.digits for v in validations[:2]]
    calibration = calibrate(
        logits(network, np.concatenate([d.images for d in both])), np.concatenate([d.labels for d in both])
    )
    export(network, calibration, options.version, options.output)
    errors = {v.name: error(network, v.digits) for v in validations}
    _describe(Run(options, exports, extra, material.kinds, packages, check, errors, calibration, seconds))


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
    parser.add_argument("--epochs", type=int, default=78, help="of 100,000 drawings each")
    parser.add_argument(
        "--checkpoint", type=Path, help="write the state after every epoch, and go on from there if the file exists"
    )
    parser.add_argument("--without-fonts", action="store_true", help="fetch no packages; the card says so")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _given(options: argparse.Namespace, numbers: Digits) -> tuple[list[Exported], Extra, DigitNetwork | None]:
    """Read the files that the options name; exit with one line if one cannot be used."""
    try:
        exports = [exported.load(path) for path in options.extra]
        extra = exported.together(exports, numbers.images, mnist.load("t10k", options.mnist).images)
        return exports, extra, restore(options.start_from) if options.start_from else None
    except (OSError, ValueError) as problem:
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


def _describe(run: Run) -> None:
    """Evaluate the model and write its card: MODELCARD.md for the shipped model, else the model's name with .md."""
    output: Path = run.options.output
    classifier = Classifier(output)
    found = report(run, classifier)
    shipped = output.name == SHIPPED.name
    path = output.with_name("MODELCARD.md") if shipped else output.with_suffix(".md")
    # The pictures of the shipped model belong to the documentation.
    folder = output.parent.parent / "docs" / "images" if shipped else output.with_suffix("")
    shown = {other.kept.name: pictures.draw(other, folder) for other in found.others}
    card.write(found, classifier, path, output.stat().st_size, shown)
    for e in found.exports:
        if e.measured:
            before = f", {100 * e.before.accuracy:.2f} % before" if e.before else ""
            print(f"{e.name}: {100 * e.measured.accuracy:.2f} % of {e.measured.count} test drawings{before}")
    print(f"MNIST test accuracy {100 * found.test.accuracy:.2f} %; wrote {output} and {path}")


if __name__ == "__main__":
    main()
