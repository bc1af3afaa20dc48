"""`GET /results…`: what was remembered."""

from io import BytesIO
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from PIL import Image
from sqlalchemy.orm import Session

from app import repository
from app.db import get_database
from app.errors import NotFound, documented
from app.schemas import SIDE, Result, ResultsPage, ResultsQuery, ResultSummary
from app.security import KeyRequired, KeyUnlessPublic

router = APIRouter(tags=["results"])

# PostgreSQL's INTEGER ends here; no row can have a greater id.
PredictionId = Annotated[int, Path(alias="id", ge=1, le=2**31 - 1, description="The `id` of a prediction.")]


@router.get(
    "/results",
    dependencies=[KeyUnlessPublic],
    responses=documented(401, 422, 429, 503),
    summary="The newest predictions",
)
async def list_results(query: Annotated[ResultsQuery, Query()]) -> ResultsPage:
    """List remembered predictions, newest first."""

    def read(session: Session) -> ResultsPage:
        rows = repository.list_predictions(session, query.limit)
        return ResultsPage(results=[ResultSummary.model_validate(row, from_attributes=True) for row in rows])

    return await get_database().read(read)


@router.get(
    "/results/{id}",
    dependencies=[KeyUnlessPublic],
    responses=documented(401, 404, 422, 429, 503),
    summary="One prediction",
)
async def get_result(prediction_id: PredictionId) -> Result:
    """Return one remembered prediction with its scores and notes."""

    def read(session: Session) -> Result:
        found = repository.find_prediction(session, prediction_id)
        if found is None:
            raise NotFound(f"There is no prediction {prediction_id}.")
        prediction, scores = found
        return Result(
            id=prediction.id,
            prediction=prediction.prediction,
            confidence=prediction.confidence,
            model_version=prediction.model_version,
            created_at=prediction.created_at,
            notes=prediction.notes,
            request_id=prediction.request_id,
            scores=None if scores is None else {str(digit): score for digit, score in enumerate(scores)},
        )

    return await get_database().read(read)


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
async def get_drawing(prediction_id: PredictionId) -> Response:
    """Return the 28 x 28 pixels as they were received, as a PNG."""
    pixels = await get_database().read(lambda session: repository.find_pixels(session, prediction_id))
    if pixels is None:
        raise NotFound(f"There is no drawing for a prediction {prediction_id}.")
    picture = BytesIO()
    Image.frombytes("L", (SIDE, SIDE), pixels).save(picture, format="PNG")
    # A drawing never changes; only its owner's browser may keep it, because it was asked for with a key.
    return Response(
        picture.getvalue(), media_type="image/png", headers={"Cache-Control": "private, max-age=31536000, immutable"}
    )
