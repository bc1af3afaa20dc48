"""Compare the classifier with the reference's scikit-learn pipeline, in one process and on one thread.

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

# Calls per measurement, by batch size: some tens of milliseconds.
CALLS = {1: 200, 8: 60, 32: 30, 256: 6}
HEADING = ("digits", "batch", "classifier us/drawing", "reference us/drawing", "reference / classifier")


@dataclass(frozen=True)
class Target:
    """An upper bound on the cost per drawing, as a share of the reference's cost for a single drawing."""

    batch: int
    share: float


TARGETS = (Target(1, 1.0), Target(256, 0.5))


def reference(images: NDArray[np.uint8]) -> object:
    """Classify as v0.5 does, without normalisation."""
    return pipeline().predict_proba(images.reshape(len(images), -1))


def cost(classify: Classify, batches: Sequence[NDArray[np.uint8]]) -> float:
    """Classify each batch once; return microseconds per drawing."""
    began = time.perf_counter()
    for batch in batches:
        classify(batch)
    return (time.perf_counter() - began) * 1e6 / sum(len(batch) for batch in batches)


def batches_of(images: NDArray[np.uint8], size: int, start: int) -> list[NDArray[np.uint8]]:
    """Return the batches of one measurement: other drawings in each round, the same for both classifiers."""
    count = CALLS[size]
    chosen = images[np.arange(start, start + size * count) % len(images)]
    return list(chosen.reshape(count, size, *images.shape[1:]))


def measured(sets: dict[str, NDArray[np.uint8]], rounds: int) -> dict[Key, list[float]]:
    """Return the costs of all rounds by classifier, digits and batch size. The first round is a warm-up."""
    classifiers: dict[str, Classify] = {"classifier": classify_batch, "reference": reference}
    costs: dict[Key, list[float]] = {}
    for number in range(rounds + 1):
        for (name, images), size in itertools.product(sets.items(), CALLS):
            batches = batches_of(images, size, number * 997)
            order = list(classifiers.items())
            for which, classify in order if number % 2 else order[::-1]:
                figure = cost(classify, batches)
                if number:
                    costs.setdefault((which, name, size), []).append(figure)
    return costs


def lines(costs: dict[Key, list[float]]) -> list[list[str]]:
    """Return the table's rows: medians and ranges of costs and of each round's ratio."""
    found = []
    for which, name, size in costs:
        if which == "classifier":
            ours, theirs = costs[which, name, size], costs["reference", name, size]
            ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
            found.append([name, str(size), with_range(ours, 1), with_range(theirs, 1), with_range(ratios, 2)])
    return found


def verdicts(costs: dict[Key, list[float]], sets: Sequence[str]) -> list[str]:
    """Return one line for each target and set of digits."""
    texts = []
    for target, name in itertools.product(TARGETS, sets):
        cost_here = median(costs["classifier", name, target.batch])
        bound = target.share * median(costs["reference", name, 1])
        texts.append(
            f"batch {target.batch}, {name}: {cost_here:.1f} us a drawing, target at most {bound:.1f} "
            f"({target.share:g} of the reference's cost for one): {'met' if cost_here <= bound else 'MISSED'}"
        )
    return texts


def main() -> None:
    """Measure both classifiers alternately; print the table and the targets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classifier", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    # The settings require a key, which is not used here.
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
    print(f"noise: {used:.2f} cores were busy; this benchmark uses one")


if __name__ == "__main__":
    main()
