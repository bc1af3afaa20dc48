"""Write a trained network as an ONNX file for the service, with metadata, and read it back for fine-tuning."""

import copy
import io
import json
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from app.classifier.onnx_model import PREPROCESSING
from training.calibrate import Calibration
from training.network import DigitNetwork, Served
from training.state import write_whole

OPSET = 18


def export(network: DigitNetwork, calibration: Calibration, version: str, path: Path) -> None:
    """Write the network to `path`: input uint8 (N, 28, 28), output float32 (N, 11) as `Served` describes."""
    served = Served(_with_calibration(fused(network), calibration)).eval()
    content = io.BytesIO()
    # dynamo=False: the tracing exporter needs no further package and gives a clean graph for this simple network.
    torch.onnx.export(
        served,
        (torch.zeros(1, 28, 28, dtype=torch.uint8),),
        content,
        input_names=["images"],
        output_names=["scores"],
        dynamic_axes={"images": {0: "n"}, "scores": {0: "n"}},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load_from_string(content.getvalue())
    metadata = {
        "version": version,
        "classes": json.dumps([str(digit) for digit in range(10)]),
        "not_a_digit": "true",
        "temperature": f"{calibration.temperature:.6f}",
        "offset": f"{calibration.offset:.6f}",
        "preprocessing": PREPROCESSING,
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    write_whole(path, model.SerializeToString())


def restore(path: Path) -> DigitNetwork:
    """Read a network from a file that `export` wrote, for fine-tuning; raise ValueError for another file.

    The network has no dropout, and its batch normalisation is folded into the convolutions.
    """
    served = Served(fused(DigitNetwork()))
    try:
        model = onnx.load(str(path))
        metadata = {item.key: item.value for item in model.metadata_props}
        if metadata.get("classes") and "not_a_digit" not in metadata:
            raise ValueError(f"{path} knows ten classes only: start from a model of version v2 or later")
        served.load_state_dict(
            {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in model.graph.initializer}
        )
        calibration = Calibration(float(metadata["temperature"]), float(metadata["offset"]))
    except (KeyError, RuntimeError, DecodeError) as error:
        raise ValueError(f"{path} was not written by this training") from error
    return _without_calibration(served.network, calibration)


@torch.no_grad()
def _with_calibration(network: DigitNetwork, calibration: Calibration) -> DigitNetwork:
    """Fold the calibration and the scaling of pixels to 0..1 into the weights of a fused network."""
    changed, first, last = _copy_with_ends(network)
    first.weight /= 255
    last.weight /= calibration.temperature
    last.bias /= calibration.temperature
    last.bias[-1] += calibration.offset
    return changed


@torch.no_grad()
def _without_calibration(network: DigitNetwork, calibration: Calibration) -> DigitNetwork:
    """Undo `_with_calibration`."""
    changed, first, last = _copy_with_ends(network)
    first.weight *= 255
    last.bias[-1] -= calibration.offset
    last.weight *= calibration.temperature
    last.bias *= calibration.temperature
    return changed


def _copy_with_ends(network: DigitNetwork) -> tuple[DigitNetwork, nn.Conv2d, nn.Linear]:
    """Copy the network; return it with its first and last layer."""
    changed = copy.deepcopy(network)
    first, last = changed.layers[0], changed.layers[-1]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(last, nn.Linear)
    return changed, first, last


def fused(network: DigitNetwork) -> DigitNetwork:
    """Fold each batch normalisation into the preceding convolution, and remove dropout."""
    layers: list[nn.Module] = []
    for layer in network.eval().layers:
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        elif not isinstance(layer, nn.Dropout):
            layers.append(layer)
    plain = DigitNetwork()
    plain.layers = nn.Sequential(*layers)
    return plain
