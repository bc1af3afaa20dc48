from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.http.authentication import ReadKeyUnlessPublic
from app.http.openapi import documented
from app.http.reads import scan
from app.http.routing import ApiRoute
from app.schemas.calibration import Calibration, CalibrationQuery
from app.services import calibration

router = APIRouter(prefix="/stats", tags=["stats"], route_class=ApiRoute)


@router.get(
    "/calibration",
    dependencies=[ReadKeyUnlessPublic],
    responses=documented(401, 403, 422, 429, 503),
    summary="Compare confidence with accuracy",
)
async def get_calibration(request: Request, query: Annotated[CalibrationQuery, Query()]) -> Calibration:
    """Compare confidence with accuracy on labelled predictions; needs at least 200 of them."""
    return await scan(request, lambda session: calibration.get_calibration(session, query))
