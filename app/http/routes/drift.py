from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.http.authentication import ReadKeyUnlessPublic
from app.http.openapi import documented
from app.http.reads import scan
from app.http.routing import ApiRoute
from app.schemas.drift import Drift, DriftQuery
from app.services import drift

router = APIRouter(prefix="/stats", tags=["stats"], route_class=ApiRoute)


@router.get(
    "/drift",
    dependencies=[ReadKeyUnlessPublic],
    responses=documented(401, 403, 422, 429, 503),
    summary="Compare new drawings and predictions with older ones",
)
async def get_drift(request: Request, query: Annotated[DriftQuery, Query()]) -> Drift:
    """Compare digits, confidence, `not_a_digit` and ink of new drawings with older ones, at least 300 each."""
    return await scan(request, lambda session: drift.get_drift(session, query))
