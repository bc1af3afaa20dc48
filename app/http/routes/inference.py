from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response

from app import __version__
from app.http import idempotency
from app.http.authentication import ClassifyKey, Client
from app.http.bodies import JSON, RAW, parse_json, read_body
from app.http.body_memory import MAX_LARGE_BODY
from app.http.errors import NotReady, invalid
from app.http.headers import single_header
from app.http.lanes import while_connected
from app.http.openapi import BINARY, documented, request_body
from app.http.problems import INFERENCE
from app.http.routes.classify import classify_and_store
from app.http.routes.health import run_checks
from app.http.routing import ApiRoute
from app.http.runtime import runtime_of
from app.schemas.inference import (
    MODEL,
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from app.services.errors import NotFound
from app.services.health import is_ready
from app.services.inference import INPUTS, OUTPUTS, TensorError, answer_of, drawings_of
from app.services.threads import in_thread

router = APIRouter(prefix=INFERENCE, tags=["inference"], route_class=ApiRoute)

JSON_LENGTH: Final = "Inference-Header-Content-Length"
_MODEL: Final = f"/models/{MODEL}"
_VERSION: Final = f"{_MODEL}/versions/{{version}}"
_JSON_LENGTH_PARAMETER: Final[dict[str, Any]] = {
    "name": JSON_LENGTH,
    "in": "header",
    "required": False,
    "description": "The bytes of the JSON, if a binary tensor follows it.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LARGE_BODY},
}


async def _check_version(request: Request, version: str) -> None:
    """Raise NotFound unless this version is loaded."""
    loaded = runtime_of(request).classifier.version
    if version != loaded:
        raise NotFound(f"The model {MODEL} has no such version; its version is {loaded}")


OfThisVersion: Final = Depends(_check_version)


@router.get("", responses=documented(422, inference=True), summary="Get the server's name and version")
async def get_server() -> ServerMetadata:
    """Return the name, the version and the extensions of the protocol."""
    return ServerMetadata(name="pixelwise", version=__version__, extensions=["binary_tensor_data"])


@router.get("/health/live", responses=documented(422, inference=True), summary="Check that the server responds")
async def server_live() -> ServerLive:
    """Return `true` without any checks."""
    return ServerLive(live=True)


@router.get("/health/ready", responses=documented(422, 503, inference=True), summary="Check that the server is ready")
async def server_ready(request: Request) -> ServerReady:
    """Check the model, the schema and a write, like `GET /health/ready`."""
    await _check_readiness(request)
    return ServerReady(ready=True)


@router.get(_VERSION, dependencies=[OfThisVersion], include_in_schema=False)
@router.get(_MODEL, responses=documented(422, inference=True), summary="Get the model's inputs and outputs")
async def get_model(request: Request) -> ModelMetadata:
    """Return the tensors and the version of the model. The input may also be FP32, or have the shape [n, 784]."""
    version = runtime_of(request).classifier.version
    return ModelMetadata(name=MODEL, versions=[version], platform="onnx_onnxv1", inputs=INPUTS, outputs=OUTPUTS)


@router.get(f"{_VERSION}/ready", dependencies=[OfThisVersion], include_in_schema=False)
@router.get(f"{_MODEL}/ready", responses=documented(422, 503, inference=True), summary="Check that the model is ready")
async def model_ready(request: Request) -> ModelReady:
    """Check the model, the schema and a write, like `GET /health/ready`."""
    await _check_readiness(request)
    return ModelReady(name=MODEL, ready=True)


async def _check_readiness(request: Request) -> None:
    checks = await run_checks(request)
    if not is_ready(checks):
        raise NotReady(checks)


@router.post(f"{_VERSION}/infer", dependencies=[ClassifyKey, OfThisVersion], include_in_schema=False)
@router.post(
    f"{_MODEL}/infer",
    dependencies=[ClassifyKey],
    response_model=InferResponse,
    responses={
        200: {"content": {RAW: {"schema": BINARY}}},
        **documented(401, 403, 409, 413, 415, 422, 429, 500, 503, 507, inference=True),
    },
    openapi_extra=request_body({JSON: InferRequest, RAW: BINARY})
    | {"parameters": [idempotency.PARAMETER, _JSON_LENGTH_PARAMETER]},
    summary="Classify up to 1,000 drawings by the Open Inference Protocol and store the predictions",
)
async def infer(request: Request, client: Client) -> Response:
    """Return which digits the drawings show, in the same order, and store all predictions or none.

    With the binary tensor data extension the body is JSON and then the tensor's bytes.
    """
    runtime = runtime_of(request)
    await runtime.rate_limiter.count_drawings(request)
    body = await read_body(request)
    json_length = _json_length(request, len(body))

    async def wait_and_infer() -> Response:
        async with runtime.lanes.batches.place(request):
            asked, drawings = await in_thread(_parsed, body, json_length)
            await runtime.rate_limiter.count_drawings(request, len(drawings), counted=1)
            stored = await classify_and_store(request, client, drawings, is_batch=True)
            return _response(*answer_of(asked, stored, request.state.request_id))

    return await while_connected(request, wait_and_infer())


def _json_length(request: Request, body_length: int) -> int | None:
    given = single_header(request, JSON_LENGTH)
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 10 and 0 < int(given) <= body_length):
        raise invalid("header", JSON_LENGTH, "This must be the number of bytes of the JSON with which the body begins")
    return int(given)


def _parsed(body: bytes, json_length: int | None) -> tuple[InferRequest, list[bytes]]:
    """Return the request and 784 bytes for each drawing; raise InvalidRequest."""
    asked = parse_json(InferRequest, body[:json_length])
    try:
        return asked, drawings_of(asked.inputs[0], b"" if json_length is None else body[json_length:])
    except TensorError as error:
        raise invalid("body", "inputs", str(error)) from None


def _response(answer: bytes, tensors: bytes) -> Response:
    if not tensors:
        return Response(answer, media_type=JSON)
    return Response(answer + tensors, media_type=RAW, headers={JSON_LENGTH: str(len(answer))})
