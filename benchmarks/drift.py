"""Measure how often drift detection raises false alarms, and how often it finds faults.

`python -m benchmarks.drift`; see benchmarks/README.md.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from app.analysis.drift import Observations, compare
from app.classifier import classify_batch
from app.config import Settings
from app.drawings.ink_statistics import ink_statistics
from app.schemas.drift import DriftSignal, Thresholds
from benchmarks.report import table
from training.mnist import load
from training.strokes import draw

WINDOWS = (300, 1000)
REFERENCES = (300, 1000, 3000, 10_000)
SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
READ_BATCH_SIZE = 1000

_SETTINGS = Settings.model_fields
DEFAULTS = Thresholds(p=_SETTINGS["drift_p_value"].default, psi=_SETTINGS["drift_psi"].default)

# Alarm rules: thresholds on the raw values, with p corrected, and with both values corrected.
RULES: dict[str, Callable[[DriftSignal], bool]] = {
    "uncorrected": lambda one: one.p < DEFAULTS.p and one.psi >= DEFAULTS.psi,
    "p corrected": lambda one: one.adjusted_p < DEFAULTS.p and one.psi >= DEFAULTS.psi,
    "both corrected": lambda one: one.drifted,
}

Images = npt.NDArray[np.uint8]


def shifted(images: Images, down: int, right: int) -> Images:
    """Move drawings (N, 28, 28), clipped at the edges."""
    rows, columns = np.arange(28) - down, np.arange(28) - right
    inside = ((rows >= 0) & (rows < 28))[:, None] & ((columns >= 0) & (columns < 28))
    return np.where(inside, images[:, rows % 28][:, :, columns % 28], 0).astype(np.uint8)


FAULTS: dict[str, Callable[[Images], Images]] = {
    "inverted": lambda images: 255 - images,
    "4 pixels right": lambda images: shifted(images, 0, 4),
    "4 pixels up": lambda images: shifted(images, -4, 0),
    "faint, 0.3 of the ink": lambda images: (images * 0.3).astype(np.uint8),
}


def observe(images: Images) -> Observations:
    """Classify drawings uint8 (N, 28, 28) and compute their ink statistics."""
    pieces = [images[i : i + READ_BATCH_SIZE] for i in range(0, len(images), READ_BATCH_SIZE)]
    answers = [answer for piece in pieces for answer in classify_batch(piece)]
    return Observations(
        np.array([int(answer["prediction"]) for answer in answers]),
        np.array([answer["confidence"] for answer in answers]),
        np.array([answer["not_a_digit"] for answer in answers], np.float64),
        np.concatenate([ink_statistics(piece) for piece in pieces]),
    )


def part_of(observations: Observations, rows: npt.NDArray[np.int64]) -> Observations:
    """Select observations by index."""
    return Observations(*(values[rows] for values in observations))


def comparisons(
    right: Observations, wrong: Observations, sizes: tuple[int, int], share: float, trials: int, seed: int = 1
) -> Iterator[list[DriftSignal]]:
    """Yield, for each trial, the signals of a window in which this share of the drawings is faulty.

    sizes: window and reference, sampled without overlap. `wrong` has the same drawings as `right`, with a fault.
    """
    rng = np.random.default_rng(seed)
    size, faulty = sizes[0], round(sizes[0] * share)
    for _ in range(trials):
        rows = rng.choice(len(right.digits), sum(sizes), replace=False)
        halves = part_of(wrong, rows[:faulty]), part_of(right, rows[faulty:size])
        window = Observations(*map(np.concatenate, zip(*halves, strict=True)))
        yield compare(window, part_of(right, rows[size:]), DEFAULTS)


def _few_digits(observations: Observations) -> Observations:
    """Select almost only 0 and 1; with such rare digits the chi-square test is not exact."""
    common, rare = (np.flatnonzero(np.isin(observations.digits, (0, 1), invert=rare)) for rare in (False, True))
    return part_of(observations, np.concatenate([common, rare[: len(common) // 100]]))


def _false_alarms(sources: dict[str, Observations], trials: int, seed: int) -> Iterator[Sequence[str]]:
    for name, right in sources.items():
        for window, reference in itertools.product(WINDOWS, REFERENCES):
            found = list(comparisons(right, right, (window, reference), 0, trials, seed))
            counts = (sum(any(map(rule, signals)) for signals in found) for rule in RULES.values())
            yield name, str(window), str(reference), *map(str, counts)


def _faults(sources: dict[str, Images], trials: int, seed: int) -> Iterator[Sequence[str]]:
    for source, images in sources.items():
        right = observe(images)
        for fault, spoil in FAULTS.items():
            wrong = observe(spoil(images))
            for window, reference in ((300, 300), (300, 10_000), (1000, 10_000)):
                sizes = window, reference
                found = (_caught(comparisons(right, wrong, sizes, share, trials, seed)) for share in SHARES)
                yield source, fault, *map(str, sizes), *found


def _caught(windows: Iterable[list[DriftSignal]]) -> str:
    drifted = [any(signal.drifted for signal in signals) for signals in windows]
    return f"{np.mean(drifted):.1%}"


def main() -> None:
    """Simulate and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="windows without drift of each kind")
    parser.add_argument("--fault-trials", type=int, default=200, help="windows with a fault of each kind")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    mnist = load("train").images
    strokes, _ = draw(20_000, np.random.default_rng(1))
    begin = time.perf_counter()
    for start in range(0, len(mnist), READ_BATCH_SIZE):
        ink_statistics(mnist[start : start + READ_BATCH_SIZE])
    print(f"Ink statistics of {len(mnist)} drawings took {time.perf_counter() - begin:.2f} s.\n")
    known = observe(mnist)
    without = {"mnist": known, "virtual hand": observe(strokes), "mnist, 99 % 0 and 1": _few_digits(known)}
    print(f"Alarms in {chosen.trials} windows without drift, for uncorrected and corrected values:\n")
    heading = ("drawings", "window", "reference", *RULES)
    print(table(heading, _false_alarms(without, chosen.trials, chosen.seed)), "\n", flush=True)
    print(f"Alarms in {chosen.fault_trials} windows with a share of faulty drawings:\n")
    heading = ("drawings", "fault", "window", "reference", *(f"{share:.0%} faulty" for share in SHARES))
    spoilt = {"mnist": mnist[:20_000], "virtual hand": strokes}
    print(table(heading, _faults(spoilt, chosen.fault_trials, chosen.seed)))


if __name__ == "__main__":
    main()
