"""Write the model card: description, training data, evaluation and limits of a model."""

import os
from pathlib import Path

from app.analysis.intervals import wilson_interval
from app.classifier import Classifier
from training.evaluate import Measured
from training.report import OnExport, OnKept, Report

SOURCES = (
    "MNIST: LeCun, Cortes, Burges, <http://yann.lecun.com/exdb/mnist/>. The other sources are packages, which `training/packages/` names with version and checksum:",
    "",
    "| source | licence | used for |",
    "|---|---|---|",
    "| 136 fonts of Fontsource (npm `@fontsource/…`) | OFL-1.1; nine Apache-2.0, one MIT | digits and letters; 26 of them only measured with |",
    "| Hershey fonts (PyPI `Hershey-Fonts`) | MIT | digits and letters |",
    "| Material Design Icons (npm `@mdi/font`) | Apache-2.0 | icons |",
    "| Bootstrap Icons (npm `bootstrap-icons`) | MIT | icons, only measured with |",
    "| Hanzi Writer data (npm `hanzi-writer-data`) | Arphic Public License | Chinese characters |",
    "",
    "No letter is used that people also read as a digit (`B D G` of handwriting, and `I O S Z b g i l o q s z`). The model file holds no part of a font.",
)
WITHOUT_SOURCES = (
    "MNIST: LeCun, Cortes, Burges, <http://yann.lecun.com/exdb/mnist/>.",
    "",
    "**Trained without fonts, icons and characters**, because the packages were not fetched: this model has seen no letter, and takes more of them for digits than the shipped one.",
)
TARGETS = {"handwritten letters": 0.05, "printed letters": 0.06, "clothes": 0.01}
"""The largest shares that may surely be read as a digit."""


def write(report: Report, classifier: Classifier, path: Path, size: int, pictures: dict[str, Path | None]) -> None:
    """Write the card as Markdown beside the model file."""
    lines = [
        f"# Model card: digits, version {classifier.version}",
        "",
        "Classifies one hand-drawn digit, 0 to 9, from 28 x 28 grey pixels, and says when a drawing is not a digit. Intended for",
        "digits drawn on a canvas with a mouse, finger or pen, in European and American styles. This file is written by the",
        "training; do not edit it.",
        "",
        *_description(report, classifier, size),
        "## Trained on",
        "",
        *_kinds(report),
        "## Targets",
        "",
        *_targets(report),
        "## Drawings that are not a digit",
        "",
        *_others(report.others, report.packages),
        *_mistakes(report.others, path, pictures),
        "## Hard versions of the MNIST test set",
        "",
        "| version | accuracy | calibration error | flagged |",
        "|---|---|---|---|",
        *(f"| {name} | {_on_digits(m)} |" for name, m in report.proxies.items()),
        "",
        "## Digits in held-out styles and fonts",
        "",
        *_held_out(report),
        *(_exports(report.exports) if report.exports else []),
        "## Blank and noisy drawings",
        "",
        "| drawing | highest confidence |",
        "|---|---|",
        *(f"| {name} | {confidence:.3f} |" for name, confidence in report.nothing.items()),
        "",
        "## Validation sets",
        "",
        "Temperature and offset were chosen on the first two, and nothing else.",
        "",
        *(f"- {name}: error {_percent(error)}" for name, error in report.validation_errors.items()),
        "",
        "## Mistakes on the MNIST test set",
        "",
        f"{_confusions(report.test, len(report.test.confusions))}.",
        "",
        *_limits(report),
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def _description(report: Report, classifier: Classifier, size: int) -> list[str]:
    temperature, offset = report.calibration
    return [
        "| | |",
        "|---|---|",
        f"| file | `{report.file}`, {size:,} bytes |",
        f"| sha256 | `{classifier.sha256}` |",
        "| input | uint8 (N, 28, 28), 0 = background, 255 = ink, after the normalisation of `app/classifier/normalise.py` |",
        "| output | float32 (N, 11): a score for each digit 0 to 9, and *q*, the probability that the drawing is not a digit |",
        "| scores | the digit's probability + *q* / 10: the ten sum to 1, and none is high for a drawing that is not a digit |",
        f"| network | 5 convolutions (16, 32, 64, 96, 96 channels) and one linear layer: {report.parameters:,} parameters |",
        f'| calibration | temperature {temperature:.2f}, offset {offset:+.2f} for "not a digit", chosen on validation digits |',
        f"| command | `{report.command}` |",
        *([f"| started from | version {report.started_from} |"] if report.started_from else []),
        f"| training | {report.effort} |",
        "",
    ]


def _kinds(report: Report) -> list[str]:
    counts: dict[str, int] = {}
    weights: dict[str, float] = {}
    for kind in report.kinds:
        counts[kind.name] = counts.get(kind.name, 0) + kind.stop - kind.start
        weights[kind.name] = weights.get(kind.name, 0) + kind.weight
    total = sum(weights.values())
    extra = report.extra
    exported = (
        f"Of the exports, {len(extra.check.labels):,} digits are held out for validation, and {extra.left_out:,} drawings are left out because they are in MNIST's test set. {extra.no_digits:,} of the drawings are labelled as no digit.",
        "",
    )
    return [
        "| kind | drawings | share of what the network saw |",
        "|---|---|---|",
        *(f"| {name} | {counts[name]:,} | {100 * weights[name] / total:.1f} % |" for name in counts),
        "",
        "MNIST's training set is used without its last 5,000 drawings, which are for validation. `training/strokes.py` draws digits in the",
        "handwriting styles of different countries, which `training/styles.py` defines; `training/shapes.py`, `blobs.py` and `combine.py` make",
        "the shapes, scribbles, blobs, rows of digits, and mirrored and turned digits. Every drawing gets new random distortions",
        "(`training/augment.py`: pen, shift, scale, rotation, shear, elastic warp, stroke width, resolution, contrast, noise) and the",
        "service's normalisation. 15 % of the drawings that are not a digit are replaced by blank images and noise.",
        "",
        *(exported if report.exports else ()),
        *(SOURCES if report.packages else WITHOUT_SOURCES),
        "",
    ]


def _targets(report: Report) -> list[str]:
    hard = report.proxies.values()
    return [
        "| measure | target | result | |",
        "|---|---|---|---|",
        _target("MNIST test, 10,000 drawings, measured after training: accuracy", 0.996, report.test.accuracy),
        _target("MNIST test: expected calibration error", 0.0035, report.test.calibration_error, at_most=True),
        _target("MNIST test: flagged as not a digit", 0.003, report.test.flagged, at_most=True),
        _target("hard versions of MNIST test: mean accuracy", 0.985, sum(m.accuracy for m in hard) / len(hard)),
        _target(
            "hard versions: mean calibration error",
            0.02,
            sum(m.calibration_error for m in hard) / len(hard),
            at_most=True,
        ),
        _target("generated digits in held-out styles: accuracy", 0.993, report.styles.accuracy),
        _target(
            "generated digits in held-out styles: calibration error",
            0.006,
            report.styles.calibration_error,
            at_most=True,
        ),
        *_targets_of_others(report.others),
        _target("blank and noisy drawings: highest confidence", 0.5, max(report.nothing.values()), at_most=True),
        _target("MNIST test drawings that the normalisation does not change", 0.999, report.unchanged),
        "",
        "With 10,000 drawings, the 95 % confidence interval of an accuracy of 99.6 % is about ± 0.13 percentage points.",
        "",
    ]


def _targets_of_others(others: list[OnKept]) -> list[str]:
    measured = [(o.kept.name, o.doubted) for o in others if o.kept.name in TARGETS]
    return [
        *(_target(f"{name}: confidence above 0.9", TARGETS[name], d.sure, at_most=True) for name, d in measured),
        *(_target(f"{name}: separated from digits (AUROC)", 0.99, d.separation) for name, d in measured),
    ]


def _others(others: list[OnKept], packages: bool) -> list[str]:
    return [
        "Whole fonts, alphabets and shapes are kept out of training and only measured with"
        + (":" if packages else "; fonts were not fetched:"),
        "",
        "| kind | what | drawings | confidence above 0.9 | flagged (*q* > 0.5) | AUROC |",
        "|---|---|---|---|---|---|",
        *(
            f"| {o.kept.name} | {o.kept.what} | {o.doubted.count:,} | {_percent(o.doubted.sure)} | {_percent(o.doubted.flagged)} | {o.doubted.separation:.4f} |"
            for o in others
        ),
        "",
        "*AUROC*: how often *q* is higher for such a drawing than for a digit. Compared with MNIST's test set and with generated digits in",
        "held-out styles; the lower of the two figures. Scribbles and rows are new drawings of kinds that the training has.",
        "",
    ]


def _mistakes(others: list[OnKept], path: Path, pictures: dict[str, Path | None]) -> list[str]:
    """Return the section with the drawings that are still taken for digits."""
    lines = [
        "## What is still taken for a digit",
        "",
        "The most confident mistakes above 0.9, with the digit that was read.",
        "",
    ]
    for other in others:
        picture = pictures[other.kept.name]
        count = round(other.doubted.sure * other.doubted.count)
        lines.append(f"**{other.kept.name.capitalize()}**: {count:,} of {other.doubted.count:,}{_read(other)}.")
        lines.append("")
        if picture:
            place = Path(os.path.relpath(picture, path.parent))
            lines += [f"![{other.kept.name.capitalize()} that are taken for digits]({place.as_posix()})", ""]
    return lines


def _read(other: OnKept) -> str:
    """Say which four digits are read most often with a confidence above 0.9."""
    read = other.answers.read[other.answers.confidence > 0.9].tolist()
    often = sorted(set(read), key=lambda digit: (-read.count(digit), digit))[:4]
    return f", most often {', '.join(f'{read.count(digit)} as {digit}' for digit in often)}" if often else ""


def _held_out(report: Report) -> list[str]:
    fonts = (
        [f"| fonts | {report.fonts.count} | {_on_digits(report.fonts)} | {_confusions(report.fonts)} |"]
        if report.fonts
        else []
    )
    return [
        "One style of each digit is not used for training (`held_out=True` in `training/styles.py`), nor are the kept-out fonts.",
        "",
        "| digit | drawings | accuracy | calibration error | flagged | most frequent mistakes |",
        "|---|---|---|---|---|---|",
        *(f"| {digit} | {m.count} | {_on_digits(m)} | {_confusions(m)} |" for digit, m in report.held_out.items()),
        f"| all styles | {report.styles.count} | {_on_digits(report.styles)} | {_confusions(report.styles)} |",
        *fonts,
        "",
    ]


def _limits(report: Report) -> list[str]:
    real = "MNIST and the exports are" if report.exports else "MNIST is"
    return [
        "## Limits",
        "",
        "- One digit per drawing. Letters that look like a digit (O, l, S, Z, and many of other alphabets) are read as that digit.",
        "- Kinds of drawings that the training never had are flagged less reliably than the figures above say.",
        "- A 1 with a long, nearly level flag looks like a 7 with a sloping bar; people disagree on these drawings, too.",
        f"- {real} the only real handwriting in the training data; fonts and generated digits imitate handwriting.",
        "- The confidence is calibrated on MNIST and its hard versions. To check it for your users, label some of their drawings.",
        "",
    ]


def _on_digits(m: Measured) -> str:
    return f"{_percent(m.accuracy)} | {_percent(m.calibration_error)} | {_percent(m.flagged)}"


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
