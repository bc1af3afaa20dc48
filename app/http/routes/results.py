"""`/results…`: what was remembered is found, read, annotated, deleted."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.classifier.normalise import normalise_pixels
from app.database import get_database
from app.drawings.image_files import write_png
from app.http.authentication import KeyRequired, KeyUnlessPublic
from app.http.conditional import IfMatch, IfNoneMatch, etag, is_known, tags_of
from app.http.openapi import documented
from app.schemas.results import NotesUpdate, Result, ResultsPage, ResultsQuery
from app.schemas.types import LAST_ID
from app.services import results
from app.services.results import Record

router = APIRouter(tags=["results"])

PredictionId = Annotated[int, Path(alias="id", ge=1, le=LAST_ID, description="The `id` of a prediction.")]


@router.get(
    "/results",
    dependencies=[KeyUnlessPublic],
    responses={
        200: {"headers": {"Link": {"description": '`rel="next"`: the page after.', "schema": {"type": "string"}}}},
        **documented(401, 422, 429, 503),
    },
    summary="Find predictions, the newest first",
)
async def list_results(request: Request, response: Response, query: Annotated[ResultsQuery, Query()]) -> ResultsPage:
    """List remembered predictions, newest first: as they arrived, or by `created_at` when a time is asked for.

    Every condition narrows the list. Follow `next`, or the header `Link`, until it is null: rows that arrive meanwhile
    neither repeat nor hide one.
    """
    page = await get_database().read(lambda session: results.list_page(session, query))
    if page.next is not None:
        parameters = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        following = urlencode([*parameters, ("cursor", page.next)])
        response.headers["Link"] = f'<{request.url.path}?{following}>; rel="next"'
    return page


@router.get(
    "/results/{id}",
    dependencies=[KeyUnlessPublic],
    response_model=Result,
    responses={
        200: {"headers": {"ETag": {"description": "Changes with the record.", "schema": {"type": "string"}}}},
        304: {"description": "The record still has the `ETag` of If-None-Match."},
        **documented(401, 404, 422, 429, 503),
    },
    summary="One prediction",
)
async def get_result(prediction_id: PredictionId, if_none_match: IfNoneMatch = None) -> Response:
    """Return one remembered prediction with its scores, its notes and the label that counts."""
    record = await get_database().read(lambda session: results.get(session, prediction_id))
    if is_known(if_none_match, record.tag):
        return Response(status_code=304, headers={"ETag": etag(record.tag)})
    return answer(record)


@router.patch(
    "/results/{id}",
    dependencies=[KeyRequired],
    response_model=Result,
    responses=documented(401, 404, 412, 413, 422, 429, 503, 507),
    summary="Write notes on a prediction",
)
async def update_notes(prediction_id: PredictionId, body: NotesUpdate, if_match: IfMatch = None) -> Response:
    """Replace the notes of a prediction; nothing else of it ever changes."""

    def write(session: Session) -> Record:
        return results.set_notes(session, prediction_id, body.notes, tags_of(if_match))

    return answer(await get_database().write(write))


@router.delete(
    "/results/{id}",
    dependencies=[KeyRequired],
    status_code=204,
    responses=documented(401, 404, 412, 422, 429, 503),
    summary="Delete a prediction",
)
async def delete_result(prediction_id: PredictionId, if_match: IfMatch = None) -> None:
    """Delete a prediction, its drawing and its labels. When this answers they are gone; the id is never given again."""
    await get_database().write(lambda session: results.delete(session, prediction_id, tags_of(if_match)))


@router.get(
    "/results/{id}/drawing.png",
    dependencies=[KeyRequired],
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}, "description": "28 x 28 pixels, grey, ink white on black."},
        **documented(401, 404, 422, 429, 503),
    },
    summary="The drawing that was classified",
)
async def get_drawing(
    prediction_id: PredictionId,
    normalised: Annotated[bool, Query(description="true: as the network sees it, fitted and centred.")] = False,
) -> Response:
    """Return the 28 x 28 pixels as they were received, as a PNG."""
    pixels = await get_database().read(lambda session: results.get_drawing(session, prediction_id))
    picture = write_png(normalise_pixels(pixels) if normalised else pixels)
    # A drawing never changes; only its owner's browser may keep it, because it was asked for with a key.
    return Response(picture, media_type="image/png", headers={"Cache-Control": "private, max-age=31536000, immutable"})


def answer(record: Record) -> Response:
    """Return the record with its tag. Caches ask again each time, since notes and labels change."""
    headers = {"ETag": etag(record.tag), "Cache-Control": "no-cache"}
    return Response(record.result.model_dump_json(), media_type="application/json", headers=headers)
