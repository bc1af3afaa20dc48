"""`python -m training`: train, calibrate, export and measure the model, and write its card."""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from app.classifier import Classifier
from app.normalise import normalise
from training import card, evaluate, mnist, strokes
from training.augment import proxies
from training.export import export
from training.mnist import Digits
from training.network import DigitNetwork
from training.train import Trained, Validation, logits, train

VALIDATION = 5_000
DRAWN = 120_000
DRAWN_AN_EPOCH = 45_000
HELD_OUT_FOR_VALIDATION, HELD_OUT_FOR_TEST = 3_000, 10_000


def main() -> None:
    """Do all of it in one go; the MNIST test set is read after everything has been decided."""
    options = _options()
    started = time.monotonic()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    numbers = mnist.load("train", options.mnist)
    fit = Digits(numbers.images[:-VALIDATION], numbers.labels[:-VALIDATION])
    check = Digits(numbers.images[-VALIDATION:], numbers.labels[-VALIDATION:])
    print(f"Drawing {DRAWN:,} digits", flush=True)
    drawn = Digits(*strokes.draw(DRAWN, np.random.default_rng(options.seed)))
    # A part of the kept-out styles may choose the epoch; the rest, drawn by another hand, is for the card.
    kept = Digits(*strokes.draw(HELD_OUT_FOR_VALIDATION, np.random.default_rng(options.seed + 1), held_out=True))
    hard = _stacked(proxies(check.images, options.seed), check)
    validations = [Validation("MNIST", check), Validation("hard versions", hard), Validation("kept-out styles", kept)]
    trained = train(fit, drawn, validations, epochs=options.epochs, seed=options.seed, drawn_an_epoch=DRAWN_AN_EPOCH)
    both = Digits(np.concatenate([check.images, hard.images]), np.concatenate([check.labels, hard.labels]))
    temperature = evaluate.fit_temperature(logits(trained.network, both.images), both.labels)
    export(trained.network, temperature, options.version, options.output)
    classifier = Classifier(options.output)
    report = _report(options, trained, classifier, temperature, started)
    card.write(report, classifier, options.output.with_name("MODELCARD.md"), options.output.stat().st_size)
    print(f"MNIST test accuracy {100 * report.test.accuracy:.2f} %; wrote {options.output} and its card")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument(
        "--mnist", type=Path, help="folder with MNIST's four files (else PIXELWISE_MNIST_DIR, else fetched)"
    )
    parser.add_argument("--output", type=Path, default=Path("models/digits.onnx"), help="the model file to write")
    parser.add_argument("--version", default="v1", help="the model version the file carries")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="the same number gives the same file")
    return parser.parse_args()


def _stacked(versions: dict[str, np.ndarray], digits: Digits) -> Digits:
    return Digits(np.concatenate(list(versions.values())), np.tile(digits.labels, len(versions)))


def _report(
    options: argparse.Namespace, trained: Trained, classifier: Classifier, temperature: float, started: float
) -> card.Report:
    test = mnist.load("t10k", options.mnist)
    hard = proxies(test.images, options.seed)
    kept = Digits(*strokes.draw(HELD_OUT_FOR_TEST, np.random.default_rng(options.seed + 2), held_out=True))
    by_digit = {d: Digits(kept.images[kept.labels == d], kept.labels[kept.labels == d]) for d in range(10)}
    nothing = evaluate.not_digits(2_000, options.seed)
    return card.Report(
        command=f"python -m training --epochs {options.epochs} --seed {options.seed} --threads {options.threads}",
        seconds=time.monotonic() - started,
        epochs=options.epochs,
        best_epoch=trained.epoch,
        parameters=sum(p.numel() for p in DigitNetwork().parameters()),
        temperature=temperature,
        trained_on={
            "MNIST training drawings (the last 5,000 choose the epoch and the temperature)": 60_000 - VALIDATION,
            f"digits drawn by the stroke generator, {DRAWN_AN_EPOCH:,} of them an epoch": DRAWN,
        },
        validation_errors=trained.errors,
        test=evaluate.measure(classifier, test),
        proxies={name: evaluate.measure(classifier, Digits(images, test.labels)) for name, images in hard.items()},
        held_out={digit: evaluate.measure(classifier, digits) for digit, digits in by_digit.items()},
        nothing={name: evaluate.highest_confidence(classifier, images) for name, images in nothing.items()},
        unchanged=float((normalise(test.images) == test.images).all(axis=(1, 2)).mean()),
    )


if __name__ == "__main__":
    main()
