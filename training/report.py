"""Compute the figures of the model card from the finished model file."""

import argparse
from dataclasses import dataclass

import numpy as np

from app.classifier import Classifier
from app.classifier.normalise import normalise
from training import evaluate, mnist, strokes
from training.augment import proxies
from training.card import OnExport, Report
from training.exported import Exported, Extra
from training.mnist import Digits
from training.network import DigitNetwork
from training.train import Material, Trained

HELD_OUT = 10_000


@dataclass(frozen=True)
class Run:
    """A finished training run: its options, data and result."""

    options: argparse.Namespace
    exports: list[Exported]
    extra: Extra
    material: Material
    trained: Trained
    temperature: float
    seconds: float


def report(run: Run, classifier: Classifier) -> Report:
    """Evaluate the model on data that was not used for training."""
    options = run.options
    test = mnist.load("t10k", options.mnist)
    hard = proxies(test.images, options.seed)
    kept = Digits(*strokes.draw(HELD_OUT, np.random.default_rng(options.seed + 2), held_out=True))
    by_digit = {d: Digits(kept.images[kept.labels == d], kept.labels[kept.labels == d]) for d in range(10)}
    nothing = evaluate.not_digits(2_000, options.seed)
    before = Classifier(options.start_from) if options.start_from else None
    return Report(
        file=options.output.name,
        command=_command(options),
        started_from=before and before.version,
        seconds=run.seconds,
        epochs=options.epochs,
        best_epoch=run.trained.epoch,
        parameters=sum(p.numel() for p in DigitNetwork().parameters()),
        temperature=run.temperature,
        trained_on=_trained_on(run.material, run.extra),
        validation_errors=run.trained.errors,
        test=evaluate.measure(classifier, test),
        proxies={name: evaluate.measure(classifier, Digits(images, test.labels)) for name, images in hard.items()},
        held_out={digit: evaluate.measure(classifier, digits) for digit, digits in by_digit.items()},
        nothing={name: evaluate.highest_confidence(classifier, images) for name, images in nothing.items()},
        unchanged=float((normalise(test.images) == test.images).all(axis=(1, 2)).mean()),
        exports=[_on_export(export, classifier, before) for export in run.exports],
    )


def _command(options: argparse.Namespace) -> str:
    parts = [f"python -m training --epochs {options.epochs} --seed {options.seed} --threads {options.threads}"]
    parts += [f"--extra {path.name}" for path in options.extra]
    parts += [f"--start-from {options.start_from.name}"] if options.start_from else []
    return " ".join(parts)


def _trained_on(material: Material, extra: Extra) -> dict[str, int]:
    seen = {
        "MNIST training set, without the last 5,000 drawings, which are for validation": len(material.mnist.labels),
        f"generated digits, {material.drawn_an_epoch:,} of them per epoch": len(material.drawn.labels),
    }
    if len(extra.digits.labels):
        shown = f"shown {material.times} times per epoch"
        seen[f"exported drawings labelled as a digit, {shown}"] = len(extra.digits.labels) - extra.no_digits
        seen[f"exported drawings labelled as no digit, {shown}"] = extra.no_digits
        seen["exported digits held out for validation"] = len(extra.check.labels)
        seen["exported drawings left out because they are in MNIST's test set"] = extra.left_out
    return seen


def _on_export(export: Exported, classifier: Classifier, before: Classifier | None) -> OnExport:
    some = len(export.test.labels) > 0
    none = export.no_digit_test
    return OnExport(
        name=export.name,
        sha256=export.sha256,
        measured=evaluate.measure(classifier, export.test) if some else None,
        before=evaluate.measure(before, export.test) if before and some else None,
        no_digits=len(none),
        no_digits_confidence=evaluate.mean_confidence(classifier, none) if len(none) else None,
    )
