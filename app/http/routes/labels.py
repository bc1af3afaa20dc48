from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from app.drawings.shape import NOT_A_DIGIT
from app.http.authentication import LabelKey, ReadKeyUnlessPublic, actor_of
from app.http.bodies import JSON, json_body
from app.http.conditional import IfMatch
from app.http.openapi import documented, request_body
from app.http.reads import read
from app.http.routes.results import PredictionId, result_response
from app.http.routing import ApiRoute
from app.http.runtime import runtime_of
from app.metrics.instruments import LABELS
from app.schemas.labels import LabelHistory, LabelUpdate
from app.schemas.results import Result
from app.services import labels
from app.services.results import TaggedResult

router = APIRouter(tags=["labels"], route_class=ApiRoute)


@router.put(
    "/results/{id}/label",
    dependencies=[LabelKey],
    response_model=Result,
    responses=documented(401, 403, 404, 412, 413, 415, 422, 429, 503, 507),
    openapi_extra=request_body({JSON: LabelUpdate}),
    summary="Label a drawing",
)
async def set_label(
    request: Request,
    prediction_id: PredictionId,
    body: Annotated[LabelUpdate, Depends(json_body(LabelUpdate))],
    if_match: IfMatch,
) -> Response:
    """Set which digit a drawing shows, or `none`. Earlier labels are kept; the latest one is used."""

    def write(session: Session) -> TaggedResult:
        return labels.set_label(session, prediction_id, body, actor_of(request), if_match)

    tagged = await runtime_of(request).database.write(write)
    outcome = {tagged.result.prediction: "confirmed", NOT_A_DIGIT: "not_a_digit"}.get(body.label, "corrected")
    LABELS.labels(outcome).inc()
    return result_response(tagged)


@router.get(
    "/results/{id}/labels",
    dependencies=[ReadKeyUnlessPublic],
    responses=documented(401, 403, 404, 422, 429, 503),
    summary="List the labels of a drawing",
)
async def list_labels(request: Request, prediction_id: PredictionId) -> LabelHistory:
    """List the newest 1,000 labels of a prediction, newest first."""
    return await read(request, lambda session: labels.list_labels(session, prediction_id))
