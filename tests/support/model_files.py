"""Model files for the tests: the shipped graph with one more node and another version."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.config import SHIPPED_MODEL


def second_model(
    folder: Path, *, version: str = "v2", order: Sequence[int] = range(10), classes: Sequence[str] = "0123456789"
) -> Path:
    """Write a model whose output k is the shipped model's output order[k]; return its path."""
    steps = [helper.make_node("Gather", ["shipped", "order"], ["probabilities"], axis=1)]
    return _written(folder, version, classes, steps, {"order": np.array(order, np.int64)})


def swapping_model(folder: Path, one: int = 4, other: int = 9, *, version: str = "v2") -> Path:
    """Write a model that swaps two digits of the shipped model."""
    order = list(range(10))
    order[one], order[other] = other, one
    return second_model(folder, version=version, order=order)


def model_of_nothing(folder: Path) -> Path:
    """Write a model whose probabilities are all NaN."""
    steps = [helper.make_node("Mul", ["shipped", "nan"], ["probabilities"])]
    return _written(folder, "nothing", "0123456789", steps, {"nan": np.array(np.nan, np.float32)})


def model_that_breaks(folder: Path) -> Path:
    """Write a model that loads, answers to blank drawings and fails on all others."""
    steps = [
        helper.make_node("Cast", ["images"], ["numbers"], to=onnx.TensorProto.INT64),
        helper.make_node("ReduceMax", ["numbers"], ["brightest"], keepdims=0),
        # The model has ten outputs, and no normalised drawing with ink is that faint.
        helper.make_node("Gather", ["shipped", "brightest"], ["no_probabilities"], axis=1),
        helper.make_node("Identity", ["shipped"], ["probabilities"]),
    ]
    return _written(folder, "breaks", "0123456789", steps, {})


def _written(
    folder: Path,
    version: str,
    classes: Sequence[str],
    steps: Sequence[onnx.NodeProto],
    constants: dict[str, np.ndarray],
) -> Path:
    model = onnx.load(SHIPPED_MODEL)
    (output,) = model.graph.output
    for node in model.graph.node:
        node.output[:] = ["shipped" if name == output.name else name for name in node.output]
    output.name = "probabilities"
    model.graph.node.extend(steps)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, {**metadata, "version": version, "classes": json.dumps(list(classes))})
    path = folder / f"{len(list(folder.glob('*.onnx')))}.onnx"
    onnx.save(model, path)
    return path
