from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.http.authentication import LabelKey, actor_of
from app.http.lanes import while_connected
from app.http.openapi import documented
from app.http.routing import ApiRoute
from app.http.runtime import runtime_of
from app.schemas.review import ReviewPage, ReviewQuery
from app.services import review

router = APIRouter(tags=["labels"], route_class=ApiRoute)


@router.get(
    "/review",
    dependencies=[LabelKey],
    responses=documented(401, 403, 422, 429, 503, 507),
    summary="Get the drawings to label next",
)
async def get_review(request: Request, query: Annotated[ReviewQuery, Query()]) -> ReviewPage:
    """Return the most uncertain unlabelled digits, without near-duplicates, and reserve them for ten minutes.

    One in five is a random sample of all drawings, which measures the model's accuracy. Calls with the same `reviewer`
    first return the drawings reserved for that name. `queue=not_a_digit` returns those with a `not_a_digit` above 0.5
    instead.
    """
    runtime = runtime_of(request)

    async def wait_and_offer() -> ReviewPage:
        async with runtime.lanes.reviews.place(request):
            return await review.offer_page(runtime.database, query, actor_of(request))

    return await while_connected(request, wait_and_offer())
