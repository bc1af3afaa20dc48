"""PixelWise reads hand-drawn digits and stores the answers."""

import os

__version__ = "0.9.0"

# onnxruntime sends usage data to its maker unless this is set before its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
