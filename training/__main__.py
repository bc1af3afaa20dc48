"""`python -m training`: train, calibrate, export and evaluate the model, and write its card."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from app.classifier import Classifier
from training import card, evaluate, exported, mnist, strokes
from training.augment import proxies
from training.export import export, restore
from training.exported import Exported, Extra
from training.mnist import Digits
from training.network import DigitNetwork
from training.report import Run, report
from training.train import Material, Validation, logits, train

VALIDATION = 5_000
DRAWN = 120_000
DRAWN_AN_EPOCH = 45_000
HELD_OUT = 3_000
SHIPPED = Path("models/digits.onnx")


def main() -> None:
    """Run the whole training; the test sets are used only at the end, when nothing is chosen any more."""
    options = _options()
    started = time.monotonic()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    numbers = mnist.load("train", options.mnist)
    exports, extra, start = _given(options, numbers)
    fit = Digits(numbers.images[:-VALIDATION], numbers.labels[:-VALIDATION])
    check = Digits(numbers.images[-VALIDATION:], numbers.labels[-VALIDATION:])
    material = _material(options, fit, extra)
    # These held-out digits help to choose the epoch; the card uses others, generated with another seed.
    kept = Digits(*strokes.draw(HELD_OUT, np.random.default_rng(options.seed + 1), held_out=True))
    hard = _stacked(proxies(check.images, options.seed), check)
    validations = [Validation("MNIST", check), Validation("hard versions", hard), Validation("held-out styles", kept)]
    if len(extra.check.labels):
        validations.append(Validation("exports", extra.check))
    trained = train(material, validations, epochs=options.epochs, seed=options.seed, start=start)
    both = Digits(np.concatenate([check.images, hard.images]), np.concatenate([check.labels, hard.labels]))
    temperature = evaluate.fit_temperature(logits(trained.network, both.images), both.labels)
    export(trained.network, temperature, options.version, options.output)
    seconds = time.monotonic() - started
    _describe(Run(options, exports, extra, material, trained, temperature, seconds))


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
    parser.add_argument("--version", default="v1", help="the model version stored in the file")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="the same number gives the same file")
    return parser.parse_args()


def _given(options: argparse.Namespace, numbers: Digits) -> tuple[list[Exported], Extra, DigitNetwork | None]:
    """Read the files that the options name; exit with one line if one cannot be used."""
    try:
        exports = [exported.load(path) for path in options.extra]
        extra = exported.together(exports, numbers.images, mnist.load("t10k", options.mnist).images)
        return exports, extra, restore(options.start_from) if options.start_from else None
    except (OSError, ValueError) as error:
        sys.exit(f"training: {error}")


def _material(options: argparse.Namespace, fit: Digits, extra: Extra) -> Material:
    times = extra.times_an_epoch(len(fit.labels) + DRAWN_AN_EPOCH)
    if options.extra:
        print(
            f"{len(extra.digits.labels):,} exported drawings, each {times} times per epoch; {extra.left_out} left out"
        )
    # A short run does not use more of them.
    count = min(DRAWN, DRAWN_AN_EPOCH * options.epochs)
    print(f"Generating {count:,} digits", flush=True)
    drawn = Digits(*strokes.draw(count, np.random.default_rng(options.seed)))
    return Material(fit, extra.digits, times, drawn, DRAWN_AN_EPOCH)


def _stacked(versions: dict[str, np.ndarray], digits: Digits) -> Digits:
    return Digits(np.concatenate(list(versions.values())), np.tile(digits.labels, len(versions)))


def _describe(run: Run) -> None:
    """Evaluate the model and write its card: MODELCARD.md for the shipped model, else the model's name with .md."""
    output: Path = run.options.output
    classifier = Classifier(output)
    found = report(run, classifier)
    path = output.with_name("MODELCARD.md") if output.name == SHIPPED.name else output.with_suffix(".md")
    card.write(found, classifier, path, output.stat().st_size)
    for e in found.exports:
        if e.measured:
            before = f", {100 * e.before.accuracy:.2f} % before" if e.before else ""
            print(f"{e.name}: {100 * e.measured.accuracy:.2f} % of {e.measured.count} test drawings{before}")
    print(f"MNIST test accuracy {100 * found.test.accuracy:.2f} %; wrote {output} and {path}")


if __name__ == "__main__":
    main()
