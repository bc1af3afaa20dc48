"""Compute the figures of the model card from the finished model file."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from app.classifier import Classifier
from app.classifier.normalise import normalise
from training import evaluate, kept, mnist
from training.augment import proxies
from training.calibrate import Calibration
from training.evaluate import Answers, Doubted, Measured
from training.exported import Exported, Extra
from training.kept import Kept
from training.material import Kind
from training.mnist import Digits
from training.network import DigitNetwork, Teacher
from training.train import Trained

HELD_OUT = 10_000


@dataclass(frozen=True)
class OnExport:
    """The evaluation on the test part of an export, which is never trained on."""

    name: str
    sha256: str
    measured: Measured | None
    """None without test drawings."""
    before: Measured | None
    """The same for the model that the training started from."""
    no_digits: int
    no_digits_confidence: float | None
    """Mean confidence on drawings labelled as no digit; None without such drawings."""


@dataclass(frozen=True)
class OnKept:
    """The evaluation on kept-out drawings without a digit, with the answers for the pictures."""

    kept: Kept
    doubted: Doubted
    answers: Answers


@dataclass(frozen=True)
class Report:
    """The figures of a finished training run."""

    file: str
    command: str
    started_from: str | None
    """The version of the model the training started from."""
    trained: Trained
    teachers: int
    tries: int
    epochs: int
    parameters: int
    calibration: Calibration
    kinds: list[Kind]
    packages: bool
    """Whether fonts, icons and characters were there."""
    extra: Extra
    validation_errors: dict[str, float]
    test: Measured
    proxies: dict[str, Measured]
    held_out: dict[int, Measured]
    styles: Measured
    fonts: Measured | None
    nothing: dict[str, float]
    others: list[OnKept]
    unchanged: float
    exports: list[OnExport]

    @property
    def effort(self) -> str:
        minutes = f"{self.trained.seconds / 60:.0f} minutes"
        on = f"{minutes} on one {self.trained.gpu}" if self.trained.gpu else f"{minutes} of processor time"
        text = f"{self.epochs / 10:.1f} million drawings; {on}"
        if self.teachers:
            size = sum(p.numel() for p in Teacher().parameters())
            text += f"; learned from {self.teachers} teachers of {size:,} parameters"
        return text + (f"; the best of {self.tries} on validation digits" if self.tries > 1 else "")


@dataclass(frozen=True)
class Run:
    """A finished training run: its options, data and result."""

    options: argparse.Namespace
    exports: list[Exported]
    extra: Extra
    kinds: list[Kind]
    packages: Path | None
    check: Digits
    validation_errors: dict[str, float]
    calibration: Calibration
    trained: Trained


def report(run: Run, classifier: Classifier) -> Report:
    """Evaluate the model on data that was not used for training."""
    options = run.options
    test = mnist.load("t10k", options.mnist)
    hard = proxies(test.images, options.seed)
    styles = kept.canvas_digits(HELD_OUT, options.seed + 2)
    by_digit = {d: Digits(styles.images[styles.labels == d], styles.labels[styles.labels == d]) for d in range(10)}
    nothing = evaluate.noise(2_000, options.seed)
    before = Classifier(options.start_from) if options.start_from else None
    fonts = kept.digits_of_fonts(run.packages, options.seed + 3) if run.packages else None
    return Report(
        file=options.output.name,
        command=_command(options),
        started_from=before and before.version,
        trained=run.trained,
        teachers=len(options.teacher),
        tries=options.tries,
        epochs=options.epochs,
        parameters=sum(p.numel() for p in DigitNetwork().parameters()),
        calibration=run.calibration,
        kinds=run.kinds,
        packages=run.packages is not None,
        extra=run.extra,
        validation_errors=run.validation_errors,
        test=evaluate.measure(classifier, test),
        proxies={name: evaluate.measure(classifier, Digits(images, test.labels)) for name, images in hard.items()},
        held_out={digit: evaluate.measure(classifier, digits) for digit, digits in by_digit.items()},
        styles=evaluate.measure(classifier, styles),
        fonts=fonts and evaluate.measure(classifier, fonts),
        nothing={
            name: float(evaluate.answers(classifier, images).confidence.max()) for name, images in nothing.items()
        },
        others=_on_kept(run, classifier, [test, styles]),
        unchanged=float((normalise(test.images) == test.images).all(axis=(1, 2)).mean()),
        exports=[_on_export(export, classifier, before) for export in run.exports],
    )


def _command(options: argparse.Namespace) -> str:
    parts = [f"python -m training --epochs {options.epochs} --seed {options.seed}"]
    parts += [f"--teacher {path.name}" for path in options.teacher]
    parts += [f"--tries {options.tries}"] if options.tries > 1 else []
    parts += ["--without-fonts"] if options.without_fonts else []
    parts += [f"--extra {path.name}" for path in options.extra]
    parts += [f"--start-from {options.start_from.name}"] if options.start_from else []
    return " ".join(parts)


def _on_kept(run: Run, classifier: Classifier, digits: list[Digits]) -> list[OnKept]:
    known = [evaluate.answers(classifier, part.images) for part in digits]
    found = []
    for part in kept.not_digits(run.check, run.packages, run.options.seed + 4):
        answers = evaluate.answers(classifier, part.images)
        found.append(OnKept(part, evaluate.doubted(answers, known), answers))
    return found


def _on_export(export: Exported, classifier: Classifier, before: Classifier | None) -> OnExport:
    some = len(export.test.labels) > 0
    none = export.no_digit_test
    return OnExport(
        name=export.name,
        sha256=export.sha256,
        measured=evaluate.measure(classifier, export.test) if some else None,
        before=evaluate.measure(before, export.test) if before and some else None,
        no_digits=len(none),
        no_digits_confidence=float(evaluate.answers(classifier, none).confidence.mean()) if len(none) else None,
    )
