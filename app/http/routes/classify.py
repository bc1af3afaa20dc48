from typing import Any, Final

from fastapi import APIRouter, Request, Response

from app.drawings.containers import ImageError
from app.drawings.formats import FORMAT_NAMES
from app.http import idempotency
from app.http.authentication import Client
from app.http.bodies import FORM, JSON, RAW, media_type, parse_batch, parse_drawing, read_body, read_file, split_batch
from app.http.errors import InvalidRequest
from app.http.lanes import while_connected
from app.http.openapi import BINARY, documented, request_body
from app.http.routing import BytesRoute
from app.http.runtime import runtime_of
from app.http.telemetry import child_span
from app.schemas.classify import BatchRequest, BatchResponse, ClassifyRequest, ClassifyResponse, PreviewResponse
from app.services.classify import ClassifyCall
from app.services.threads import in_thread

router = APIRouter(tags=["classify"], route_class=BytesRoute)


_IDEMPOTENT: Final = {"parameters": [idempotency.PARAMETER]}
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {**BINARY, "description": f"{FORMAT_NAMES}."}},
}


@router.post(
    "/classify",
    response_model=ClassifyResponse,
    responses=documented(401, 403, 409, 413, 415, 422, 429, 500, 503, 507),
    openapi_extra=request_body({JSON: ClassifyRequest}) | _IDEMPOTENT,
    summary="Classify a drawing and store the prediction",
)
async def classify_drawing(request: Request, client: Client) -> Response:
    """Return which digit the drawing shows.

    A drawing has 28 rows of 28 integers, 0 for background and 255 for ink; for dark on light, send 255 minus each.
    **After a 200 the prediction is on disk**; after an error nothing is stored, unless `stored` is `unknown`.
    """
    await runtime_of(request).rate_limiter.count_drawings(request)
    drawing = parse_drawing(await read_body(request))
    return _json(await classify_and_store(request, client, [drawing]))


@router.post(
    "/classify/preview",
    response_model=PreviewResponse,
    responses=documented(401, 403, 413, 415, 422, 429, 500, 503),
    openapi_extra=request_body({JSON: ClassifyRequest}),
    summary="Classify a drawing without storing it",
)
async def classify_preview(request: Request, client: Client) -> Response:
    """Return the prediction, and the drawing as the network sees it. **Nothing is stored.**

    Previews count towards PREVIEW_LIMIT.
    """
    runtime = runtime_of(request)
    await runtime.rate_limiter.count_preview(request)
    return _json(runtime.classify.preview(parse_drawing(await read_body(request))).model_dump_json())


@router.post(
    "/classify/batch",
    response_model=BatchResponse,
    responses=documented(401, 403, 409, 413, 415, 422, 429, 500, 503, 507),
    openapi_extra=request_body({JSON: BatchRequest, RAW: BINARY}) | _IDEMPOTENT,
    summary="Classify up to 1,000 drawings and store the predictions",
)
async def classify_batch(request: Request, client: Client) -> Response:
    """Return which digits the drawings show, in the same order, and store all predictions or none.

    The body is JSON or, as `application/octet-stream`, 784 bytes for each drawing, row by row.
    """
    runtime = runtime_of(request)
    await runtime.rate_limiter.count_drawings(request)
    body = await read_body(request)

    async def wait_and_classify() -> Response:
        async with runtime.lanes.batches.place(request):
            drawings = await in_thread(split_batch if media_type(request) == RAW else parse_batch, body)
            await runtime.rate_limiter.count_drawings(request, len(drawings), counted=1)
            return _json(await classify_and_store(request, client, drawings, is_batch=True))

    return await while_connected(request, wait_and_classify())


@router.post(
    "/classify/image",
    response_model=ClassifyResponse,
    responses=documented(401, 403, 409, 413, 415, 422, 429, 500, 503, 507),
    openapi_extra=request_body({FORM: _FORM}) | _IDEMPOTENT,
    summary="Classify the digit in an image and store the prediction",
)
async def classify_image(request: Request, client: Client) -> Response:
    """Return which digit an image file shows, dark on light or light on dark.

    It may have 25 megapixels and 8 MiB, and should show one digit only. White on black at 28 x 28 pixels is used as it
    is.
    """
    runtime = runtime_of(request)
    await runtime.rate_limiter.count_drawings(request)
    data = await read_file(request)
    try:
        pixels = await while_connected(request, runtime.decoding.read(request, data))
    except ImageError as error:
        raise InvalidRequest([{"loc": ["file"], "msg": str(error), "type": "image"}], under=["body"]) from error
    return _json(await classify_and_store(request, client, [pixels]))


async def classify_and_store(request: Request, client: str, drawings: list[bytes], *, is_batch: bool = False) -> bytes:
    """Return the response body of `ClassifyService`."""
    idempotent = idempotency.idempotent_request(request, client, drawings)
    state = request.scope["state"]
    call = ClassifyCall(drawings, state["request_id"], client, idempotent, is_batch, state.get("trace_id"))
    with child_span(request.scope, "classify and store"):
        response = await runtime_of(request).classify.classify(call)
    # For telemetry.
    state["stored"] = len(response.predictions)
    return response.body


def _json(body: str | bytes) -> Response:
    return Response(body, media_type="application/json")
