"""Write the model card: description, training data, evaluation and limits of a model."""

from dataclasses import dataclass
from pathlib import Path

from app.analysis.intervals import wilson_interval
from app.classifier import Classifier
from training.evaluate import Measured


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
class Report:
    """The figures of a finished training run."""

    file: str
    command: str
    started_from: str | None
    """The version of the model the training started from."""
    seconds: float
    epochs: int
    best_epoch: int
    parameters: int
    temperature: float
    trained_on: dict[str, int]
    validation_errors: dict[str, float]
    test: Measured
    proxies: dict[str, Measured]
    held_out: dict[int, Measured]
    nothing: dict[str, float]
    unchanged: float
    exports: list[OnExport]


def write(report: Report, classifier: Classifier, path: Path, size: int) -> None:
    """Write the card as Markdown beside the model file."""
    mean_accuracy = sum(m.accuracy for m in report.proxies.values()) / len(report.proxies)
    mean_calibration = sum(m.calibration_error for m in report.proxies.values()) / len(report.proxies)
    highest = max(report.nothing.values())
    real = "MNIST and the exports are" if report.exports else "MNIST is"
    lines = [
        f"# Model card: digits, version {classifier.version}",
        "",
        "Classifies one hand-drawn digit, 0 to 9, from 28 x 28 grey pixels. Intended for digits drawn on a canvas with a mouse,",
        "finger or pen, in European and American styles. This file is written by the training; do not edit it.",
        "",
        "| | |",
        "|---|---|",
        f"| file | `{report.file}`, {size:,} bytes |",
        f"| sha256 | `{classifier.sha256}` |",
        "| input | uint8 (N, 28, 28), 0 = background, 255 = ink, after the normalisation of `app/classifier/normalise.py` |",
        "| output | probabilities float32 (N, 10), for the digits 0 to 9 |",
        f"| network | 4 convolutions 3 x 3 (16, 32, 64, 96 channels) and one linear layer: {report.parameters:,} parameters |",
        f"| temperature | {report.temperature:.2f}, fitted on validation drawings |",
        f"| command | `{report.command}` |",
        *([f"| started from | version {report.started_from} |"] if report.started_from else []),
        f"| training | {report.epochs} epochs; weights of epoch {report.best_epoch}; {report.seconds / 60:.0f} minutes on two CPU cores |",
        "",
        "## Trained on",
        "",
        *(f"- {name}: {count:,}" for name, count in report.trained_on.items()),
        "",
        "MNIST: LeCun, Cortes, Burges, <http://yann.lecun.com/exdb/mnist/>. `training/strokes.py` generates digits in the",
        "handwriting styles of different countries, which `training/styles.py` defines. In every epoch each drawing gets new random",
        "distortions (`training/augment.py`: shift, scale, rotation, shear, elastic warp, stroke width, resolution, contrast,",
        "noise) and the service's normalisation. 4 % of the drawings are replaced by blank images and noise; for these the",
        "training target is ten equal probabilities.",
        "",
        "## Targets",
        "",
        "| measure | target | result | |",
        "|---|---|---|---|",
        _target("MNIST test, 10,000 drawings, used once, after training: accuracy", 0.996, report.test.accuracy),
        _target("MNIST test: expected calibration error", 0.005, report.test.calibration_error, at_most=True),
        _target("hard versions of MNIST test: mean accuracy", 0.985, mean_accuracy),
        _target("hard versions of MNIST test: mean calibration error", 0.02, mean_calibration, at_most=True),
        _target("drawings without a digit: highest confidence", 0.5, highest, at_most=True),
        _target("MNIST test drawings that the normalisation does not change", 0.999, report.unchanged),
        "",
        "With 10,000 drawings, the 95 % confidence interval of an accuracy of 99.6 % is about ± 0.13 percentage points.",
        "",
        "## Hard versions of the MNIST test set",
        "",
        "| version | accuracy | calibration error |",
        "|---|---|---|",
        *(
            f"| {name} | {_percent(m.accuracy)} | {_percent(m.calibration_error)} |"
            for name, m in report.proxies.items()
        ),
        "",
        "## Generated digits in held-out styles",
        "",
        "One style of each digit is not used for training (`held_out=True` in `training/styles.py`).",
        "",
        "| digit | drawings | accuracy | most frequent mistakes |",
        "|---|---|---|---|",
        *(
            f"| {digit} | {m.count} | {_percent(m.accuracy)} | {_confusions(m)} |"
            for digit, m in report.held_out.items()
        ),
        "",
        *(_exports(report.exports) if report.exports else []),
        "## Drawings without a digit",
        "",
        "| drawing | highest confidence |",
        "|---|---|",
        *(f"| {name} | {confidence:.3f} |" for name, confidence in report.nothing.items()),
        "",
        "## Validation sets, used to choose the epoch",
        "",
        *(f"- {name}: error {_percent(error)}" for name, error in report.validation_errors.items()),
        "",
        "## Mistakes on the MNIST test set",
        "",
        f"{_confusions(report.test, 12)}.",
        "",
        "## Limits",
        "",
        "- One digit per drawing. Letters, several digits and scribbles are classified as some digit, sometimes with high confidence.",
        "- A 1 with a long, nearly level flag looks like a 7 with a sloping bar; people disagree on these drawings, too.",
        f"- {real} the only real handwriting in the training data; the generated digits imitate handwriting.",
        "- The confidence is calibrated on MNIST and its hard versions. To check it for your users, label some of their drawings.",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _target(what: str, target: float, figure: float, *, at_most: bool = False) -> str:
    met = figure <= target if at_most else figure >= target
    return (
        f"| {what} | {'≤' if at_most else '≥'} {_percent(target)} | {_percent(figure)} | {'met' if met else 'missed'} |"
    )


def _confusions(measured: Measured, most: int = 3) -> str:
    return ", ".join(f"{shown} as {read}: {count}" for shown, read, count in measured.confusions[:most]) or "none"


def _exports(exports: list[OnExport]) -> list[str]:
    """Return the section on exported drawings."""
    lines = [
        "## Labelled drawings from exports",
        "",
        "The test parts of the exports, which are not used for training. The interval is the 95 % Wilson interval of the accuracy.",
        "",
        "| export | sha256 of its rows | drawings | accuracy | interval | calibration error | before | no digits | their mean confidence |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for e in exports:
        before = _percent(e.before.accuracy) if e.before else ""
        confidence = "" if e.no_digits_confidence is None else f"{e.no_digits_confidence:.2f}"
        lines.append(
            f"| {e.name} | `{e.sha256[:12]}` | {_on_test(e.measured)} | {before} | {e.no_digits} | {confidence} |"
        )
    return [
        *lines,
        "",
        "*Before*: the accuracy of the model that the training started from. *No digits*: drawings labelled as no digit.",
        "",
    ]


def _on_test(measured: Measured | None) -> str:
    if measured is None:
        return "0 | | |"
    interval = wilson_interval(round(measured.accuracy * measured.count), measured.count)
    assert interval is not None
    within = f"{_percent(interval.low)} to {_percent(interval.high)}"
    return f"{measured.count} | {_percent(measured.accuracy)} | {within} | {_percent(measured.calibration_error)}"
