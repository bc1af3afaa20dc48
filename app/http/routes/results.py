from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.http.authentication import AdminKey, LabelKey, ReadKey, ReadKeyUnlessPublic, actor_of
from app.http.bodies import JSON, json_body
from app.http.conditional import IfMatch, IfNoneMatch, etag, is_known
from app.http.headers import link_to_next
from app.http.openapi import BINARY, NEXT_PAGE, documented, request_body
from app.http.reads import read, scan
from app.http.routing import ApiRoute
from app.http.runtime import runtime_of
from app.schemas.audit import Action
from app.schemas.results import NotesUpdate, Result, ResultsPage, ResultsQuery
from app.schemas.types import Flag, Id
from app.services import results
from app.services.results import TaggedResult

router = APIRouter(tags=["results"], route_class=ApiRoute)

PredictionId = Annotated[Id, Path(alias="id", description="The `id` of a prediction.")]


@router.get(
    "/results",
    dependencies=[ReadKeyUnlessPublic],
    responses={
        200: {"headers": NEXT_PAGE},
        **documented(401, 403, 422, 429, 503),
    },
    summary="List predictions, newest first",
)
async def list_results(request: Request, response: Response, query: Annotated[ResultsQuery, Query()]) -> ResultsPage:
    """List predictions; follow the `Link` header, or pass `next` as `cursor`, for the next page."""
    run = read if results.is_short(query) else scan
    page = await run(request, lambda session: results.list_page(session, query))
    link_to_next(request, response, page.next)
    return page


@router.get(
    "/results/{id}",
    dependencies=[ReadKeyUnlessPublic],
    response_model=Result,
    responses={
        200: {"headers": {"ETag": {"description": "Changes when the record changes.", "schema": {"type": "string"}}}},
        304: {"description": "The record still has the `ETag` of `If-None-Match`."},
        **documented(401, 403, 404, 422, 429, 503),
    },
    summary="Get a prediction",
)
async def get_result(request: Request, prediction_id: PredictionId, if_none_match: IfNoneMatch) -> Response:
    """Return a prediction with its scores, notes and latest label."""
    tagged = await read(request, lambda session: results.get_result(session, prediction_id))
    known = is_known(if_none_match, tagged.tag)
    response = Response(status_code=304, headers={"ETag": etag(tagged.tag)}) if known else result_response(tagged)
    if runtime_of(request).settings.public_results:
        response.headers["Cache-Control"] = "private, no-cache"
    return response


@router.patch(
    "/results/{id}",
    dependencies=[LabelKey],
    response_model=Result,
    responses=documented(401, 403, 404, 412, 413, 415, 422, 429, 503, 507),
    openapi_extra=request_body({JSON: NotesUpdate}),
    summary="Set the notes of a prediction",
)
async def update_notes(
    request: Request,
    prediction_id: PredictionId,
    body: Annotated[NotesUpdate, Depends(json_body(NotesUpdate))],
    if_match: IfMatch,
) -> Response:
    """Replace the notes of a prediction. Its other fields never change."""

    def write(session: Session) -> TaggedResult:
        return results.set_notes(session, prediction_id, body.notes, actor_of(request), if_match)

    return result_response(await runtime_of(request).database.write(write))


@router.delete(
    "/results/{id}",
    dependencies=[AdminKey],
    status_code=204,
    responses=documented(401, 403, 404, 412, 422, 429, 503, 507),
    summary="Delete a prediction",
)
async def delete_result(request: Request, prediction_id: PredictionId, if_match: IfMatch) -> None:
    """Delete a prediction, its drawing and its labels."""

    def write(session: Session) -> None:
        results.delete_result(session, prediction_id, actor_of(request), if_match)

    await runtime_of(request).database.write(write)


@router.get(
    "/results/{id}/drawing.png",
    dependencies=[ReadKey],
    response_class=Response,
    responses={
        200: {
            "content": {"image/png": {"schema": BINARY}},
            "description": "28 x 28 greyscale pixels, white ink on black.",
        },
        **documented(401, 403, 404, 422, 429, 503),
    },
    summary="Get the drawing of a prediction",
)
async def get_drawing(
    request: Request,
    prediction_id: PredictionId,
    normalised: Annotated[
        Flag, Query(description="Return the drawing as the network sees it, scaled and centred.")
    ] = False,
) -> Response:
    """Return the 28 x 28 pixels as received, as a PNG."""
    runtime = runtime_of(request)
    # Slow to load.
    from app.drawings.image_files import write_png

    pixels = await read(request, lambda session: results.get_drawing(session, prediction_id))
    await runtime.read_log.add(actor_of(request), Action.DRAWING, f"prediction {prediction_id}")
    picture = write_png(runtime.classify.normalise(pixels) if normalised else pixels)
    return Response(picture, media_type="image/png")


def result_response(tagged: TaggedResult) -> Response:
    body = tagged.result.model_dump_json()
    return Response(body, media_type="application/json", headers={"ETag": etag(tagged.tag)})
