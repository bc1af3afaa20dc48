"""The operations that the API promises, and what a client sends to one of them."""

from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

# Routes whose errors have the form of the Open Inference Protocol; all others give problems.
INFERENCE: Final = {
    ("get", "/v2"),
    ("get", "/v2/health/live"),
    ("get", "/v2/health/ready"),
    ("get", "/v2/models/digits"),
    ("get", "/v2/models/digits/ready"),
    ("post", "/v2/models/digits/infer"),
}
CONTRACT: Final = INFERENCE | {
    ("post", "/classify"),
    ("post", "/classify/preview"),
    ("post", "/classify/batch"),
    ("post", "/classify/image"),
    ("get", "/results"),
    ("get", "/results/{id}"),
    ("patch", "/results/{id}"),
    ("delete", "/results/{id}"),
    ("get", "/results/{id}/drawing.png"),
    ("put", "/results/{id}/label"),
    ("get", "/results/{id}/labels"),
    ("get", "/review"),
    ("get", "/stats"),
    ("get", "/stats/timeline"),
    ("get", "/stats/calibration"),
    ("get", "/stats/drift"),
    ("get", "/models"),
    ("get", "/export"),
    ("get", "/keys"),
    ("post", "/keys"),
    ("get", "/keys/current"),
    ("post", "/keys/{name}/rotate"),
    ("post", "/keys/{name}/revoke"),
    ("get", "/audit"),
    ("get", "/health"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/metrics"),
}


def drawn_as_png(pixels: list[list[int]]) -> bytes:
    """Return a drawing as a PNG file."""
    file = BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()
