"""The classifier beside the reference's scikit-learn pipeline, in one process and on one thread.

`python -m benchmarks.classifier`; see benchmarks/README.md.
"""

import argparse
import itertools
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.classifier import classify_batch
from benchmarks.digits import digits, moved
from benchmarks.machine import description, processor_time
from benchmarks.reference import pipeline
from benchmarks.report import table, with_range

Classify = Callable[[NDArray[np.uint8]], object]
Key = tuple[str, str, int]

# How many calls make one figure: enough to last some tens of milliseconds, few enough to take turns quickly.
CALLS = {1: 200, 8: 60, 32: 30, 256: 6}
HEADING = ("digits", "batch", "classifier us/drawing", "reference us/drawing", "reference / classifier")


@dataclass(frozen=True)
class Target:
    """A bound on the classifier: this share of what the reference pays for one drawing alone."""

    batch: int
    share: float


TARGETS = (Target(1, 1.0), Target(256, 0.5))


def reference(images: NDArray[np.uint8]) -> object:
    """What v0.5 asks of scikit-learn; it neither normalises nor words an answer."""
    return pipeline().predict_proba(images.reshape(len(images), -1))


def cost(classify: Classify, batches: Sequence[NDArray[np.uint8]]) -> float:
    """Microseconds a drawing: each batch is classified once, one after another."""
    began = time.perf_counter()
    for batch in batches:
        classify(batch)
    return (time.perf_counter() - began) * 1e6 / sum(len(batch) for batch in batches)


def batches_of(images: NDArray[np.uint8], size: int, start: int) -> list[NDArray[np.uint8]]:
    """As many batches as make one figure; other drawings each round, the same for both classifiers."""
    count = CALLS[size]
    chosen = images[np.arange(start, start + size * count) % len(images)]
    return list(chosen.reshape(count, size, *images.shape[1:]))


def measured(sets: dict[str, NDArray[np.uint8]], rounds: int) -> dict[Key, list[float]]:
    """The costs of every round, by classifier, digits and batch size. The first round only warms up."""
    classifiers: dict[str, Classify] = {"classifier": classify_batch, "reference": reference}
    costs: dict[Key, list[float]] = {}
    for number in range(rounds + 1):
        for (name, images), size in itertools.product(sets.items(), CALLS):
            batches = batches_of(images, size, number * 997)
            turn = list(classifiers.items())
            for who, classify in turn if number % 2 else turn[::-1]:
                figure = cost(classify, batches)
                if number:
                    costs.setdefault((who, name, size), []).append(figure)
    return costs


def lines(costs: dict[Key, list[float]]) -> list[list[str]]:
    """The table's lines: medians and ranges, and the ratios of the pairs of each round."""
    found = []
    for who, name, size in costs:
        if who == "classifier":
            ours, theirs = costs[who, name, size], costs["reference", name, size]
            ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
            found.append([name, str(size), with_range(ours, 1), with_range(theirs, 1), with_range(ratios, 2)])
    return found


def verdicts(costs: dict[Key, list[float]], sets: Sequence[str]) -> list[str]:
    """One line for each target and kind of digits."""
    said = []
    for target, name in itertools.product(TARGETS, sets):
        cost_here = median(costs["classifier", name, target.batch])
        bound = target.share * median(costs["reference", name, 1])
        said.append(
            f"batch {target.batch}, {name}: {cost_here:.1f} us a drawing, target at most {bound:.1f} "
            f"({target.share:g} of the reference's cost for one): {'met' if cost_here <= bound else 'MISSED'}"
        )
    return said


def main() -> None:
    """Measures both classifiers in turn and prints the table and the targets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classifier", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    # The settings want a key before they name the model; nothing here is served with it.
    os.environ.setdefault("SECRET_API_KEY", secrets.token_hex(32))
    data = digits()
    sets = {data.source: data.test_images, f"{data.source}, moved and scaled": moved(data.test_images, 7)}
    print(f"{len(data.test_images)} digits, {arguments.rounds} rounds; {description()}")
    with threadpool_limits(limits=1):
        busy, began = processor_time().busy, time.monotonic()
        costs = measured(sets, arguments.rounds)
        used = (processor_time().busy - busy) / (time.monotonic() - began)
    print(f"\n{table(HEADING, lines(costs))}\n")
    print("\n".join(verdicts(costs, list(sets))))
    print(f"noise: the machine was busy with {used:.2f} cores, of which this benchmark is one")


if __name__ == "__main__":
    main()
