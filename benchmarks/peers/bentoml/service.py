"""PixelWise's classifier in BentoML: `bentoml serve service:Digits`."""

from typing import Annotated, Any

import bentoml
import numpy as np
import numpy.typing as npt
from bentoml.validators import DType, Shape

from app.classifier import classify, get_classifier

Image = Annotated[npt.NDArray[np.uint8], DType("uint8"), Shape((28, 28))]


@bentoml.service(workers=1)
class Digits:
    def __init__(self) -> None:
        get_classifier()

    @bentoml.api
    async def classify(self, pixels: Image) -> dict[str, Any]:
        return dict(classify(pixels))
