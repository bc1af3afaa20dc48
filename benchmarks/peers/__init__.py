"""Model servers that classify with PixelWise's model and store nothing, each in a virtual environment of its own."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.servers import PROJECT, Kind

SOURCES = Path(__file__).parent
ENVIRONMENTS = Path(tempfile.gettempdir()) / "pixelwise-benchmarks"


def _v2_body(image: NDArray[np.uint8]) -> dict[str, Any]:
    shape = [1, *image.shape]
    return {"inputs": [{"name": "pixels", "shape": shape, "datatype": "UINT8", "data": image.ravel().tolist()}]}


def _v2_digit(answer: dict[str, Any]) -> str:
    return str(answer["outputs"][0]["data"][0])


def _program(peer: str, name: str) -> str:
    return str(ENVIRONMENTS / peer / "bin" / name)


_SETTINGS = {"PYTHONPATH": str(PROJECT)}

PEERS = {
    "mlserver": Kind(
        (
            *("env", "MLSERVER_HTTP_PORT={0}", "MLSERVER_GRPC_PORT={1}", "MLSERVER_METRICS_PORT={2}"),
            *(_program("mlserver", "mlserver"), "start", str(SOURCES / "mlserver")),
        ),
        settings=_SETTINGS | {"MLSERVER_HOST": "127.0.0.1", "MLSERVER_PARALLEL_WORKERS": "0"},
        ready="/v2/health/ready",
        path="/v2/models/digits/infer",
        body=_v2_body,
        digit=_v2_digit,
    ),
    "litserve": Kind(
        (_program("litserve", "python"), str(SOURCES / "litserve" / "server.py"), "{0}"), settings=_SETTINGS
    ),
    "bentoml": Kind(
        (
            *(_program("bentoml", "bentoml"), "serve", "service:Digits", "--working-dir", str(SOURCES / "bentoml")),
            *("--host", "127.0.0.1", "--port", "{0}"),
        ),
        settings=_SETTINGS | {"BENTOML_HOME": str(ENVIRONMENTS / "bentoml-home"), "BENTOML_DO_NOT_TRACK": "True"},
        ready="/readyz",
    ),
}


def is_installed(peer: str) -> bool:
    """Return whether the peer's requirements are installed as they are listed now."""
    stamp = ENVIRONMENTS / peer / "installed"
    return stamp.exists() and stamp.read_text() == _requirements(peer).read_text()


def install(peer: str) -> None:
    """Create the peer's virtual environment, unless it is there; raise CalledProcessError."""
    if is_installed(peer):
        return
    folder = ENVIRONMENTS / peer
    print(f"installing {peer} into {folder}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    install_all = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]
    subprocess.run([_program(peer, "python"), *install_all, str(_requirements(peer))], check=True)
    (folder / "installed").write_text(_requirements(peer).read_text())


def _requirements(peer: str) -> Path:
    return SOURCES / peer / "requirements.txt"
