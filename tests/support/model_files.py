"""Model files for the tests: the shipped graph with one more node and another version, and tiny ones."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.classifier.onnx_model import PREPROCESSING
from app.config import SHIPPED_MODEL
from app.drawings.shape import SIDE


def second_model(
    folder: Path, *, version: str = "v2", order: Sequence[int] = range(10), classes: Sequence[str] = "0123456789"
) -> Path:
    """Write a model whose output k is the shipped model's output order[k]; return its path."""
    steps = [helper.make_node("Gather", ["shipped", "order"], ["probabilities"], axis=1)]
    # The last column may be the probability of no digit.
    columns = onnx.load(SHIPPED_MODEL).graph.output[0].type.tensor_type.shape.dim[1].dim_value
    places = np.array([*order, *range(10, columns)], np.int64)
    return _written(folder, version, classes, steps, {"order": places})


def swapping_model(folder: Path, one: int = 4, other: int = 9, *, version: str = "v2") -> Path:
    """Write a model that swaps two digits of the shipped model."""
    order = list(range(10))
    order[one], order[other] = other, one
    return second_model(folder, version=version, order=order)


def model_of_nothing(folder: Path) -> Path:
    """Write a model that loads; its probabilities of drawings with ink are NaN."""
    steps = [
        helper.make_node("Cast", ["images"], ["numbers"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["numbers"], ["brightest"], keepdims=0),
        helper.make_node("Sub", ["brightest", "white"], ["difference"]),
        # 0 / 0, or 1.
        helper.make_node("Div", ["difference", "difference"], ["one_or_nan"]),
        helper.make_node("Mul", ["shipped", "one_or_nan"], ["probabilities"]),
    ]
    return _written(folder, "nothing", "0123456789", steps, {"white": np.array(255, np.float32)})


def model_of_light_drawings(folder: Path) -> Path:
    """Write a model whose numbers are NaN for drawings with much ink, such as a filled square."""
    constants: dict[str, np.ndarray] = {"zero": np.array(0, np.float32), "limit": np.array(75, np.float32)}
    constants |= {"columns": np.array([2]), "rows": np.array([1])}
    steps = [
        helper.make_node("Cast", ["images"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "columns"], ["row_ink"], keepdims=0),
        helper.make_node("ReduceMean", ["row_ink", "rows"], ["ink"], keepdims=1),
        helper.make_node("Sub", ["limit", "ink"], ["rest"]),
        helper.make_node("Sqrt", ["rest"], ["root"]),
        helper.make_node("Mul", ["root", "zero"], ["zero_or_nan"]),
        helper.make_node("Add", ["shipped", "zero_or_nan"], ["probabilities"]),
    ]
    return _written(folder, "light", "0123456789", steps, constants)


def model_that_breaks(folder: Path) -> Path:
    """Write a model that loads, answers to faint drawings and fails on all others."""
    steps = [
        helper.make_node("Cast", ["images"], ["numbers"], to=onnx.TensorProto.INT64),
        helper.make_node("ReduceMax", ["numbers"], ["brightest"], keepdims=0),
        helper.make_node("Div", ["brightest", "eight"], ["column"]),
        # The model has ten or eleven columns, and no normalised drawing with ink is that faint.
        helper.make_node("Gather", ["shipped", "column"], ["no_probabilities"], axis=1),
        helper.make_node("Identity", ["shipped"], ["probabilities"]),
    ]
    return _written(folder, "breaks", "0123456789", steps, {"eight": np.array(8)})


def tiny_model(
    folder: Path, *, columns: int, metadata: Mapping[str, str] | None = None, last: str = "Softmax", count: Any = "N"
) -> Path:
    """Write a model of a kilobyte with ten columns, or eleven: the scores, and the probability of no digit."""
    weights = np.random.default_rng(columns).normal(0, 0.003, (SIDE, columns)).astype(np.float32)
    # Which column is the largest depends on the drawing.
    weights -= weights.mean(axis=0)
    constants = {"weights": weights, "tenth": np.array(0.1, np.float32)}
    steps = [
        helper.make_node("Cast", ["images"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["rows"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["rows", "weights"], ["logits"]),
        helper.make_node(last, ["logits"], ["output" if columns == 10 else "probabilities"], axis=1),
    ]
    if columns > 10:
        steps += [
            helper.make_node("Split", ["probabilities"], ["digits", "no_digit"], axis=1, split=[10, columns - 10]),
            helper.make_node("Mul", ["no_digit", "tenth"], ["share"]),
            helper.make_node("Add", ["digits", "share"], ["scores"]),
            helper.make_node("Concat", ["scores", "no_digit"], ["output"], axis=1),
        ]
    graph = helper.make_graph(
        steps,
        "tiny",
        [helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, [count, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [count, columns])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    given = metadata if metadata is not None else {"not_a_digit": "true"} if columns > 10 else {}
    classes = json.dumps(list("0123456789"))
    helper.set_model_props(
        model, {"version": f"tiny {columns}", "classes": classes, "preprocessing": PREPROCESSING, **given}
    )
    path = folder / f"tiny{columns}.onnx"
    onnx.save(model, path)
    return path


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
