"""`POST /classify…`: drawings go in, answers come out, and they are on disk before they do."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask

from app.classifier import get_classifier
from app.database import get_database
from app.drawings.formats import FORMAT_NAMES
from app.drawings.image_files import ImageError, read_image
from app.http import idempotency as idempotency_keys
from app.http import large_bodies
from app.http.authentication import Client
from app.http.bodies import FORM, RAW, BytesRoute, media_type, parse_batch, parse_drawing, read_file, split_batch
from app.http.openapi import documented
from app.http.problems import InvalidInput
from app.http.rate_limit import count_drawings, count_preview
from app.repository.classify import NewPrediction
from app.schemas.classify import BatchResponse, ClassifyResponse, PreviewResponse
from app.services import classify, idempotency, shadow

T = TypeVar("T")

router = APIRouter(tags=["classify"], route_class=BytesRoute)


def _body(**content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}


def _stored_body(**content: dict[str, Any]) -> dict[str, Any]:
    return {**_body(**content), "parameters": [idempotency_keys.PARAMETER]}


def _shape(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


@router.post(
    "/classify",
    response_model=ClassifyResponse,
    responses=documented(401, 409, 413, 422, 429, 503, 507),
    openapi_extra=_stored_body(**{"application/json": _shape("ClassifyRequest")}),
    summary="Classify a drawing and remember the answer",
)
async def classify_drawing(request: Request, client: Client) -> Response:
    """Say which digit the drawing shows.

    The drawing is 28 rows of 28 whole numbers, 0 for background and 255 for ink; where the digit lies, how big it is
    and how thick its lines are does not matter. **A 200 means that the row with this `id` is on disk**; if it could
    not be stored, the answer is 503 or 507 and nothing is.
    """
    await count_drawings(request)
    return await _answer(request, client, [parse_drawing(await request.body())], _one)


@router.post(
    "/classify/preview",
    response_model=PreviewResponse,
    responses=documented(401, 413, 422, 429),
    openapi_extra=_body(**{"application/json": _shape("ClassifyRequest")}),
    summary="Classify a drawing that is not finished, and forget it",
)
async def classify_preview(request: Request, client: Client) -> Response:
    """Say what the answer to this drawing would be, and what the network sees of it. **Nothing is stored.**

    For programs that show the answer while somebody is still drawing. Previews are counted by themselves, towards
    PREVIEW_LIMIT.
    """
    await count_preview(request)
    answer = classify.preview(get_classifier(), parse_drawing(await request.body()))
    return Response(answer.model_dump_json(), media_type="application/json")


@router.post(
    "/classify/batch",
    response_model=BatchResponse,
    responses=documented(401, 409, 413, 422, 429, 503, 507),
    openapi_extra=_stored_body(
        **{"application/json": _shape("BatchRequest"), RAW: {"schema": {"type": "string", "format": "binary"}}}
    ),
    summary="Classify up to a thousand drawings and remember the answers",
)
async def classify_batch(request: Request, client: Client) -> Response:
    """Say which digits the drawings show: all of them, or none if one is wrong or cannot be stored.

    The body is JSON, or as `application/octet-stream` 784 bytes for each drawing, row by row. The answers have the
    order of the drawings, and are stored in one transaction. Each drawing counts towards the limit.
    """
    await count_drawings(request)
    async with large_bodies.inside():
        body = await request.body()
        async with large_bodies.turn():
            # A thousand drawings take tens of milliseconds, in which others are answered.
            drawings = await asyncio.to_thread(split_batch if media_type(request) == RAW else parse_batch, body)
            await count_drawings(request, len(drawings), counted=1)
        return await _answer(request, client, drawings, _many)


@router.post(
    "/classify/image",
    response_model=ClassifyResponse,
    responses=documented(401, 409, 413, 422, 429, 503, 507),
    openapi_extra=_stored_body(
        **{
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary", "description": f"{FORMAT_NAMES}."}},
                }
            }
        }
    ),
    summary="Classify the digit of an image and remember the answer",
)
async def classify_image(request: Request, client: Client) -> Response:
    """Say which digit an image file shows: dark on light or light on dark, of any size.

    The ink is found, fitted to 28 x 28 and remembered like any other drawing. A photograph may be noisy, unevenly lit
    and crossed by a shadow; the sheet should fill it and have nothing on it but one digit. Strokes on a transparent
    ground are read whatever their colour. Of an animation the first frame counts. An image may have 25 megapixels and
    8 MiB; 28 x 28 pixels, white on black, are taken as they are.
    """
    await count_drawings(request)
    async with large_bodies.inside():
        data = await read_file(request)
        # A large photograph takes up to four hundred megabytes while it is decoded.
        async with large_bodies.turn():
            try:
                pixels = (await asyncio.to_thread(read_image, data)).tobytes()
            except ImageError as error:
                raise InvalidInput([{"loc": ["file"], "msg": str(error), "type": "image"}], under=["body"]) from error
    return await _answer(request, client, [pixels], _one)


async def _answer(
    request: Request, client: str, drawings: list[bytes], render: Callable[[list[ClassifyResponse]], str]
) -> Response:
    """Classify the drawings, store the answers and return them; with an Idempotency-Key only once."""
    key = idempotency_keys.key_of(request)
    if key is None:
        remembered = await _store(request, client, drawings, classify.remember)
        return _response(render(remembered), [answer.id for answer in remembered], drawings)
    call = idempotency.Call.of(client, key, request.scope["route"].path, drawings)
    with idempotency_keys.alone(client, key):
        answer = await _store(
            request, client, drawings, lambda session, new: idempotency.remember_once(session, call, new, render)
        )
    return _response(answer.body, answer.ids, drawings)


async def _store(
    request: Request, client: str, drawings: list[bytes], work: Callable[[Session, list[NewPrediction]], T]
) -> T:
    classifier, request_id = get_classifier(), request.state.request_id
    if len(drawings) > 1:
        # A batch takes tens of milliseconds. Nobody keeps the turn while waiting for the database, which may hang.
        async with large_bodies.turn():
            new = await asyncio.to_thread(classify.classify, classifier, drawings, request_id=request_id, client=client)
    else:
        # On the event loop: it takes a tenth of a millisecond. No transaction is open meanwhile.
        new = classify.classify(classifier, drawings, request_id=request_id, client=client)
    return await get_database().write(lambda session: work(session, new))


def _one(answers: list[ClassifyResponse]) -> str:
    return answers[0].model_dump_json()


def _many(answers: list[ClassifyResponse]) -> str:
    return BatchResponse(results=answers).model_dump_json()


def _response(body: str, ids: list[int], drawings: list[bytes]) -> Response:
    # What was stored by an earlier call was heard by the shadow model then.
    later = BackgroundTask(shadow.offer, ids, drawings) if ids and shadow.is_running() else None
    return Response(body, media_type="application/json", background=later)
