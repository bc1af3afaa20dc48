"""Drawings and answers as tensors of the Open Inference Protocol."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from app.drawings.shape import DIGITS, PIXELS, SIDE
from app.schemas.classify import MAX_BATCH
from app.schemas.inference import INPUT, MODEL, Datatype, InferInput, InferRequest, OutputName, TensorMetadata

# The protocol's byte order is little-endian.
_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "UINT8": np.dtype("u1"),
    "FP32": np.dtype("<f4"),
    "INT64": np.dtype("<i8"),
}
_SHAPES: Final = ([SIDE, SIDE], [PIXELS])


class TensorError(Exception):
    """The tensor holds no drawings."""


class _Stored(msgspec.Struct):
    id: int
    prediction: str
    not_a_digit: float | None
    scores: dict[str, float]
    model_version: str


class _Batch(msgspec.Struct):
    results: list[_Stored]


class _Output(NamedTuple):
    datatype: Datatype
    shape: list[int]
    values: Callable[[Sequence[_Stored]], list[Any]]


_OUTPUTS: Final[dict[OutputName, _Output]] = {
    "digit": _Output("INT64", [], lambda stored: [int(one.prediction) for one in stored]),
    "scores": _Output("FP32", [len(DIGITS)], lambda stored: [one.scores[digit] for one in stored for digit in DIGITS]),
    "not_a_digit": _Output("FP32", [], lambda stored: [one.not_a_digit for one in stored]),
}

INPUTS: Final = [TensorMetadata(name=INPUT, datatype="UINT8", shape=[-1, SIDE, SIDE])]
OUTPUTS: Final = [
    TensorMetadata(name=name, datatype=output.datatype, shape=[-1, *output.shape]) for name, output in _OUTPUTS.items()
]

_decode: Final = msgspec.json.Decoder(_Batch).decode


def drawings_of(tensor: InferInput, after_json: bytes) -> list[bytes]:
    """Return 784 bytes for each drawing; raise TensorError."""
    if tensor.shape[1:] not in _SHAPES or not 1 <= tensor.shape[0] <= MAX_BATCH:
        raise TensorError(f"the shape must be [n, {SIDE}, {SIDE}] or [n, {PIXELS}], with n from 1 to {MAX_BATCH}")
    numbers = _from_bytes(tensor, after_json) if tensor.data is None else _from_lists(tensor.data, tensor.shape)
    if not ((numbers >= 0) & (numbers <= 255) & (numbers == np.floor(numbers))).all():
        raise TensorError("the values must be whole numbers from 0 to 255; multiply by 255 if yours end at 1")
    return [drawing.tobytes() for drawing in numbers.astype(np.uint8).reshape(-1, PIXELS)]


def _from_bytes(tensor: InferInput, data: bytes) -> npt.NDArray[Any]:
    dtype = _DTYPES[tensor.datatype]
    declared = tensor.parameters and tensor.parameters.binary_data_size
    if declared is None:
        raise TensorError("the tensor has neither `data` nor `binary_data_size`")
    if not declared == len(data) == prod(tensor.shape) * dtype.itemsize:
        raise TensorError(
            f"the shape needs {prod(tensor.shape) * dtype.itemsize} bytes; `binary_data_size` must be that number, "
            f"and {len(data)} bytes follow the JSON"
        )
    return np.frombuffer(data, dtype)


def _from_lists(data: list[Any], shape: list[int]) -> npt.NDArray[np.float64]:
    # As objects, because NumPy takes true for 1.
    objects = np.array(data, object)
    if list(objects.shape) not in (shape, [prod(shape)]):
        raise TensorError(f"`data` has the shape {list(objects.shape)}; it must be that of the tensor, or flat")
    flat = objects.ravel()
    if not set(map(type, flat)) <= {int, float}:
        raise TensorError("the values must be numbers")
    try:
        return flat.astype(np.float64)
    except OverflowError:
        raise TensorError("the values must be whole numbers from 0 to 255") from None


def answer_of(asked: InferRequest, batch: bytes, request_id: str) -> tuple[bytes, bytes]:
    """Return the JSON for a stored batch, and the binary tensors that follow it."""
    stored = _decode(batch).results
    all_binary = asked.parameters is not None and asked.parameters.binary_data_output
    wanted = {one.name: one.parameters and one.parameters.binary_data for one in asked.outputs or ()}
    tensors, after_json = [], []
    for name, binary in (wanted or dict.fromkeys(_OUTPUTS, None)).items():
        output = _OUTPUTS[name]
        values = output.values(stored)
        tensor: dict[str, Any] = {"name": name, "datatype": output.datatype, "shape": [len(stored), *output.shape]}
        if all_binary if binary is None else binary:
            after_json.append(np.array(values, _DTYPES[output.datatype]).tobytes())
            tensor["parameters"] = {"binary_data_size": len(after_json[-1])}
        else:
            tensor["data"] = values
        tensors.append(tensor)
    answer = {
        "model_name": MODEL,
        "model_version": stored[0].model_version,
        "id": asked.id or request_id,
        "parameters": {"ids": ",".join(str(one.id) for one in stored)},
        "outputs": tensors,
    }
    return msgspec.json.encode(answer), b"".join(after_json)
