"""The Open Inference Protocol, version 2; see https://github.com/kserve/open-inference-protocol."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field

from app.drawings.shape import PIXELS
from app.schemas.classify import SCORES, SEVEN

MODEL: Final = "digits"
INPUT: Final = "drawings"

Datatype = Literal["UINT8", "FP32", "INT64"]
OutputName = Literal["digit", "scores", "not_a_digit"]


class ServerMetadata(BaseModel):
    name: str = Field(examples=["pixelwise"])
    version: str = Field(examples=["1.0.0"])
    extensions: list[str] = Field(examples=[["binary_tensor_data"]])


class ServerLive(BaseModel):
    live: bool = Field(examples=[True])


class ServerReady(BaseModel):
    ready: bool = Field(examples=[True])


class ModelReady(BaseModel):
    name: str = Field(examples=[MODEL])
    ready: bool = Field(examples=[True])


class TensorMetadata(BaseModel):
    name: str
    datatype: Datatype
    shape: list[int] = Field(description="-1 is the number of drawings.")


class ModelMetadata(BaseModel):
    name: str = Field(examples=[MODEL])
    versions: list[str] = Field(examples=[["v2"]])
    platform: str = Field(examples=["onnx_onnxv1"])
    inputs: list[TensorMetadata] = Field(examples=[[{"name": INPUT, "datatype": "UINT8", "shape": [-1, 28, 28]}]])
    outputs: list[TensorMetadata] = Field(examples=[[{"name": "digit", "datatype": "INT64", "shape": [-1]}]])


class _Asked(BaseModel):
    # Other members are extensions, which a server may ignore.
    model_config = ConfigDict(strict=True)


class InputParameters(_Asked):
    binary_data_size: int | None = Field(None, ge=0, description="The bytes after the JSON; then without `data`.")


class InferInput(_Asked):
    name: Literal["drawings"]
    shape: Annotated[list[int], Field(min_length=2, max_length=3), FailFast()] = Field(
        description="[n, 28, 28] or [n, 784]."
    )
    datatype: Literal["UINT8", "FP32"]
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(None, description="Whole numbers from 0 to 255, flat or nested.")


class OutputParameters(BaseModel):
    # An unknown one would change the output.
    model_config = ConfigDict(strict=True, extra="forbid")

    binary_data: bool | None = None


class RequestedOutput(_Asked):
    name: OutputName
    parameters: OutputParameters | None = None


class RequestParameters(_Asked):
    binary_data_output: bool = Field(False, description="Send all outputs as bytes after the JSON.")


_INPUT: Any = {"name": INPUT, "shape": [1, PIXELS], "datatype": "UINT8", "data": [one for row in SEVEN for one in row]}


class InferRequest(_Asked):
    """Up to 1,000 drawings as a tensor."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "a", "inputs": [_INPUT]}]})

    id: str | None = Field(None, description="Returned with the answer.")
    parameters: RequestParameters | None = None
    inputs: Annotated[list[InferInput], Field(min_length=1, max_length=1), FailFast()]
    outputs: Annotated[list[RequestedOutput] | None, FailFast()] = Field(None, description="If absent or empty: all.")


class AnswerParameters(BaseModel):
    ids: str = Field(description="The ids of the stored predictions, such as `12,13`: the protocol has no lists here.")


class OutputTensor(BaseModel):
    name: OutputName
    shape: list[int]
    datatype: Datatype
    data: list[float | None] = Field(description="Flat; absent if the bytes follow the JSON.")


class InferResponse(BaseModel):
    """The answers as tensors. The rows with these ids are on disk."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_name": MODEL,
                    "model_version": "v2",
                    "id": "a",
                    "parameters": {"ids": "1"},
                    "outputs": [
                        {"name": "digit", "datatype": "INT64", "shape": [1], "data": [7]},
                        {"name": "scores", "datatype": "FP32", "shape": [1, 10], "data": list(SCORES.values())},
                        {"name": "not_a_digit", "datatype": "FP32", "shape": [1], "data": [0.000214]},
                    ],
                }
            ]
        }
    )

    model_name: str
    model_version: str
    id: str = Field(description="That of the request, or else its `X-Request-ID`.")
    parameters: AnswerParameters
    outputs: list[OutputTensor]


class InferenceError(BaseModel):
    """Every error below `/v2`."""

    error: str = Field(description="What is wrong and what to do.")
