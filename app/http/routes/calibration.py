"""`GET /stats/calibration`."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.database import get_database
from app.http.authentication import KeyUnlessPublic
from app.http.openapi import documented
from app.schemas.calibration import Calibration, CalibrationQuery
from app.services import calibration

router = APIRouter(prefix="/stats", tags=["stats"])


@router.get(
    "/calibration",
    dependencies=[KeyUnlessPublic],
    responses=documented(401, 422, 429, 503),
    summary="Whether confidence is honest",
)
async def get_calibration(query: Annotated[CalibrationQuery, Query()]) -> Calibration:
    """Compare how sure the answers were with how often people found them right.

    Fewer than 200 labelled predictions say nothing, and the answer is `not enough data`.
    """
    return await get_database().scan(lambda session: calibration.calibration(session, query))
