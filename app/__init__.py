"""PixelWise reads hand-drawn digits and stores the answers."""

import os

__version__ = "0.10.0.dev0"

# Otherwise onnxruntime sends usage data to its maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Pydantic would search all packages for plugins.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

# NumPy's threads would wait in busy loops.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
