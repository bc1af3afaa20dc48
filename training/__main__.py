"""`python -m training`: train, calibrate, export and measure the model, and write its card."""

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
    """Do all of it in one go; the test sets are measured on after everything has been decided."""
    options = _options()
    started = time.monotonic()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    numbers = mnist.load("train", options.mnist)
    exports, extra, start = _given(options, numbers)
    fit = Digits(numbers.images[:-VALIDATION], numbers.labels[:-VALIDATION])
    check = Digits(numbers.images[-VALIDATION:], numbers.labels[-VALIDATION:])
    material = _material(options, fit, extra)
    # A part of the kept-out styles may choose the epoch; the rest, drawn by another hand, is for the card.
    kept = Digits(*strokes.draw(HELD_OUT, np.random.default_rng(options.seed + 1), held_out=True))
    hard = _stacked(proxies(check.images, options.seed), check)
    validations = [Validation("MNIST", check), Validation("hard versions", hard), Validation("kept-out styles", kept)]
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
        "--mnist", type=Path, help="folder with MNIST's four files (else PIXELWISE_MNIST_DIR, else fetched)"
    )
    parser.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="EXPORT.npz",
        help="an export of the service to train on as well, and to measure on; may be given more than once",
    )
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="MODEL.onnx",
        help="go on from a model that this command wrote, with small steps: --epochs 2 will do",
    )
    parser.add_argument("--output", type=Path, default=SHIPPED, help="the model file to write")
    parser.add_argument("--version", default="v1", help="the model version the file carries")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="the same number gives the same file")
    return parser.parse_args()


def _given(options: argparse.Namespace, numbers: Digits) -> tuple[list[Exported], Extra, DigitNetwork | None]:
    """Read what the options name, or say in one line why it cannot be used."""
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
            f"{len(extra.digits.labels):,} drawings of exports, each {times} times an epoch; {extra.left_out} left out"
        )
    # A short run does not come to see more of them.
    count = min(DRAWN, DRAWN_AN_EPOCH * options.epochs)
    print(f"Drawing {count:,} digits", flush=True)
    drawn = Digits(*strokes.draw(count, np.random.default_rng(options.seed)))
    return Material(fit, extra.digits, times, drawn, DRAWN_AN_EPOCH)


def _stacked(versions: dict[str, np.ndarray], digits: Digits) -> Digits:
    return Digits(np.concatenate(list(versions.values())), np.tile(digits.labels, len(versions)))


def _describe(run: Run) -> None:
    """Measure, and write the card: MODELCARD.md for the model that ships, beside it by its own name for any other."""
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
