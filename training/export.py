"""Write the trained network as the ONNX file the service reads, with all it must know in its metadata; and read it."""

import json
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from app.classifier.onnx_model import PREPROCESSING
from training.network import DigitNetwork, Served

OPSET = 18


def export(network: DigitNetwork, temperature: float, version: str, path: Path) -> None:
    """Write the network to `path`: input uint8 (N, 28, 28), output probabilities float32 (N, 10)."""
    served = Served(fused(network), temperature).eval()
    # The exporter by tracing needs no further package and gives a graph without leftovers for a network this plain.
    torch.onnx.export(
        served,
        (torch.zeros(1, 28, 28, dtype=torch.uint8),),
        str(path),
        input_names=["images"],
        output_names=["probabilities"],
        dynamic_axes={"images": {0: "n"}, "probabilities": {0: "n"}},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(path))
    metadata = {
        "version": version,
        "classes": json.dumps([str(digit) for digit in range(10)]),
        "temperature": f"{temperature:.6f}",
        "preprocessing": PREPROCESSING,
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def restore(path: Path) -> DigitNetwork:
    """Read a network back from a file that `export` wrote, to train it on; raise ValueError for another file.

    It has no batch normalisation any more, which was folded into the convolutions, and drops nothing out.
    """
    network = fused(DigitNetwork())
    try:
        stored = {i.name: numpy_helper.to_array(i) for i in onnx.load(str(path)).graph.initializer}
        weights = {name.removeprefix("network."): torch.from_numpy(array.copy()) for name, array in stored.items()}
        network.load_state_dict(weights)
    except (RuntimeError, DecodeError) as error:
        raise ValueError(f"{path} does not hold a network of this training") from error
    return network


def fused(network: DigitNetwork) -> DigitNetwork:
    """Fold each batch normalisation into the convolution before it: the same function, one step less."""
    layers: list[nn.Module] = []
    for layer in network.eval().layers:
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        elif not isinstance(layer, nn.Dropout):
            layers.append(layer)
    plain = DigitNetwork()
    plain.layers = nn.Sequential(*layers)
    return plain
