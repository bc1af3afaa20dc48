"""Write a trained network as an ONNX file for the service, with metadata, and read it back for fine-tuning."""

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
    # dynamo=False: the tracing exporter needs no further package and gives a clean graph for this simple network.
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
    """Read a network from a file that `export` wrote, for fine-tuning; raise ValueError for another file.

    The network has no dropout, and its batch normalisation is folded into the convolutions.
    """
    network = fused(DigitNetwork())
    try:
        stored = {i.name: numpy_helper.to_array(i) for i in onnx.load(str(path)).graph.initializer}
        weights = {name.removeprefix("network."): torch.from_numpy(array.copy()) for name, array in stored.items()}
        network.load_state_dict(weights)
    except (RuntimeError, DecodeError) as error:
        raise ValueError(f"{path} was not written by this training") from error
    return network


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
