"""`GET /stats…`: the service in numbers."""

from typing import Annotated, Final

from fastapi import APIRouter, Query

from app.database import get_database
from app.http.authentication import KeyUnlessPublic
from app.http.openapi import documented
from app.schemas.stats import Stats, StatsQuery, Timeline, TimelineQuery
from app.services import stats

router = APIRouter(prefix="/stats", tags=["numbers"])

# So many rows are counted as fast as a page is read.
FEW: Final = 10_000


@router.get(
    "",
    dependencies=[KeyUnlessPublic],
    responses=documented(401, 422, 429, 503),
    summary="How many, how sure, how right",
)
async def get_stats(query: Annotated[StatsQuery, Query()]) -> Stats:
    """Count predictions, and say how sure they were and how right, by digit and by model version.

    `last=100` asks for the newest hundred. Right is what the label that counts says; only `accuracy_random` tells how
    right the model is altogether, because people look at doubtful drawings more than at others.
    """
    few = query.last is not None and query.last <= FEW
    run = get_database().read if few else get_database().scan
    return await run(lambda session: stats.get_stats(session, query))


@router.get(
    "/timeline",
    dependencies=[KeyUnlessPublic],
    responses=documented(401, 422, 429, 503),
    summary="The same by hour, day or week",
)
async def get_timeline(query: Annotated[TimelineQuery, Query()]) -> Timeline:
    """Count predictions hour by hour, day by day or week by week, in UTC; at most 1,000 of them.

    Only what lies between `since` and `until` is counted, so the first and the last bucket may be incomplete.
    """
    return await get_database().scan(lambda session: stats.get_timeline(session, query))
