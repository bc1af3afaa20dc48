"""`/results/{id}/label…`: what people say about a drawing."""

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from app.database import get_database
from app.http.authentication import Client, KeyUnlessPublic
from app.http.conditional import IfMatch, tags_of
from app.http.openapi import documented
from app.http.routes.results import PredictionId, answer
from app.schemas.labels import LabelHistory, LabelUpdate
from app.schemas.results import Result
from app.services import labels
from app.services.results import Record

router = APIRouter(tags=["labels"])


@router.put(
    "/results/{id}/label",
    response_model=Result,
    responses=documented(401, 404, 412, 413, 422, 429, 503, 507),
    summary="Say what a drawing shows",
)
async def set_label(
    prediction_id: PredictionId, body: LabelUpdate, client: Client, if_match: IfMatch = None
) -> Response:
    """Say which digit a drawing shows, or `none` if it is no digit. Saying what the model said confirms it.

    Labels are only ever added; the last one counts, everywhere.
    """

    def write(session: Session) -> Record:
        return labels.set_label(session, prediction_id, body, client, tags_of(if_match))

    return answer(await get_database().write(write))


@router.get(
    "/results/{id}/labels",
    dependencies=[KeyUnlessPublic],
    responses=documented(401, 404, 422, 429, 503),
    summary="All that was said about a drawing",
)
async def list_labels(prediction_id: PredictionId) -> LabelHistory:
    """List every label of a prediction, the newest first: who said it, and when."""
    return await get_database().read(lambda session: labels.list_labels(session, prediction_id))
