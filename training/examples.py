"""Measure models on the drawings of an example in docs/training.md, and store them, labelled, with a service."""

import argparse
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from app.classifier import Classifier
from training import kept, mnist, sources
from training.evaluate import FLAGGED, SURE
from training.mnist import NOT_A_DIGIT, Digits

SEED = 1


def mixed() -> dict[str, Digits]:
    if not (packages := sources.fetch()):
        raise SystemExit("examples: letters and digits of fonts need the packages")
    fonts, others = kept.digits_of_fonts(packages, SEED), kept.not_digits(mnist.load("train"), packages, SEED)
    found = {"MNIST": _first(1_000, mnist.load("t10k")), "held-out fonts": _first(500, fonts)}
    return found | {
        part.name: _none(part.images[:250]) for part in others if part.name in ("handwritten letters", "shapes")
    }


def squared() -> dict[str, Digits]:
    digits, rng = _first(2_000, mnist.load("train")), np.random.default_rng(SEED)
    paper = np.zeros((2_100, 28, 28), np.uint8)
    for sheet in paper:
        apart = rng.integers(7, 10)
        top, left = rng.integers(0, apart, 2)
        sheet[top::apart] = sheet[:, left::apart] = rng.integers(110, 190)
    on_paper = Digits(np.maximum(digits.images, paper[:2_000]), digits.labels)
    return {"digits on squared paper": on_paper, "empty sheets": _none(paper[2_000:])}


def _first(count: int, digits: Digits) -> Digits:
    return Digits(digits.images[:count], digits.labels[:count])


def _none(images: kept.Images) -> Digits:
    return Digits(images, np.full(len(images), NOT_A_DIGIT))


def _measure(model: Classifier, digits: Digits) -> str:
    rows = model.classify_batch(digits.images)
    right = sum(row["prediction"] == str(label) for row, label in zip(rows, digits.labels.tolist(), strict=True))
    flagged = sum((row["not_a_digit"] or 0) > FLAGGED for row in rows)  # version 1 says nothing about it
    confidence = np.array([row["confidence"] for row in rows])
    sure = f"mean confidence {confidence.mean():.2f}, {(confidence > SURE).mean():.1%} above {SURE}"
    return f"{model.version}: {right} of {len(rows)} correct, {flagged} flagged, {sure}"


def store(service: str, digits: Digits) -> None:
    def send(method: str, path: str, body: bytes, kind: str) -> Any:
        headers = {"X-API-Key": os.environ["SECRET_API_KEY"], "Content-Type": f"application/{kind}"}
        with urllib.request.urlopen(urllib.request.Request(service + path, body, headers, method=method)) as answer:
            return json.load(answer)

    for image, label in zip(digits.images, digits.labels.tolist(), strict=True):
        (stored,) = send("POST", "/classify/batch", image.tobytes(), "octet-stream")["results"]
        body = json.dumps({"label": "none" if label == NOT_A_DIGIT else str(label)}).encode()
        send("PUT", f"/results/{stored['id']}/label", body, "json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m training.examples", description=__doc__)
    parser.add_argument("example", choices=["mixed", "squared"])
    parser.add_argument("models", type=Path, nargs="*", metavar="MODEL.onnx", help="models to measure")
    parser.add_argument("--store", metavar="URL", help="the service that is to store the drawings")
    options = parser.parse_args()
    for name, digits in (mixed if options.example == "mixed" else squared)().items():
        for path in options.models:
            print(f"{name}, {_measure(Classifier(path), digits)}")
        if options.store:
            store(options.store, digits)
