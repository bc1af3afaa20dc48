from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from app.http.authentication import ReadKeyUnlessPublic
from app.http.openapi import documented
from app.http.reads import read, scan
from app.http.routing import ApiRoute
from app.schemas.stats import Stats, StatsQuery, Timeline, TimelineQuery
from app.services import stats

router = APIRouter(prefix="/stats", tags=["stats"], route_class=ApiRoute)

# Counted as fast as a page of results is read.
MAX_READ: Final = 1000


@router.get(
    "",
    dependencies=[ReadKeyUnlessPublic],
    responses=documented(401, 403, 422, 429, 503),
    summary="Count predictions, with confidence and accuracy",
)
async def get_stats(request: Request, query: Annotated[StatsQuery, Query()]) -> Stats:
    """Count predictions by digit and model version; only `accuracy_random` estimates the overall accuracy."""
    run = read if query.last is not None and query.last <= MAX_READ else scan
    return await run(request, lambda session: stats.get_stats(session, query))


@router.get(
    "/timeline",
    dependencies=[ReadKeyUnlessPublic],
    responses=documented(401, 403, 422, 429, 503),
    summary="Count predictions by hour, day or week",
)
async def get_timeline(request: Request, query: Annotated[TimelineQuery, Query()]) -> Timeline:
    """Count predictions in at most 1,000 buckets, in UTC."""
    return await scan(request, lambda session: stats.get_timeline(session, query))
