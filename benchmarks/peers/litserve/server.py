"""PixelWise's classifier in LitServe: `python server.py PORT`."""

import sys
from typing import Any

import litserve
import numpy as np
import numpy.typing as npt

from app.classifier import Classification, classify, get_classifier


class Digits(litserve.LitAPI):
    def setup(self, device: str) -> None:
        get_classifier()

    def decode_request(self, request: dict[str, Any]) -> npt.NDArray[np.uint8]:
        return np.array(request["pixels"], np.uint8)

    def predict(self, image: npt.NDArray[np.uint8]) -> Classification:
        return classify(image)


if __name__ == "__main__":
    server = litserve.LitServer(Digits(api_path="/classify"), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
