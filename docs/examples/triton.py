"""Classify two drawings with NVIDIA's client: pip install 'tritonclient[http]'.

SECRET_API_KEY comes from the environment, the service's address from the command line.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
pixels = json.loads(Path("docs/examples/seven.json").read_text())["pixels"]
drawings = np.array([pixels, pixels], np.uint8)

# The client takes an address without http://; for https:// it also needs ssl=True.
with InferenceServerClient(ADDRESS.partition("://")[2]) as client:
    tensor = InferInput("drawings", list(drawings.shape), "UINT8")
    tensor.set_data_from_numpy(drawings)
    answer = client.infer("digits", [tensor], headers={"X-API-Key": os.environ["SECRET_API_KEY"]})

print("digits:", answer.as_numpy("digit").tolist())
print("ids:", answer.get_response()["parameters"]["ids"])
