"""PixelWise reads hand-drawn digits and stores the answers."""

import os

__version__ = "0.9.0"

# onnxruntime reports its use to its maker unless this is set before it is imported. Nothing a person draws here, and
# no trace of it, concerns anybody else.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
