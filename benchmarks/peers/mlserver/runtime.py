"""PixelWise's classifier in MLServer; the request is a tensor of its V2 protocol."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from app.classifier import classify, get_classifier


class Digits(MLModel):
    async def load(self) -> bool:
        get_classifier()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        answer = classify(NumpyCodec.decode_input(payload.inputs[0]).reshape(28, 28))
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                StringCodec.encode_output("prediction", [answer["prediction"]]),
                NumpyCodec.encode_output("scores", np.array([list(answer["scores"].values())])),
            ],
        )
