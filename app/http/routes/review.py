"""`GET /review`: drawings to label next."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.http.authentication import KeyRequired
from app.http.openapi import documented
from app.http.runtime import runtime_of
from app.schemas.review import ReviewPage, ReviewQuery
from app.services import review

router = APIRouter(tags=["labels"])


@router.get(
    "/review",
    dependencies=[KeyRequired],
    responses=documented(401, 422, 429, 503, 507),
    summary="Get the drawings to label next",
)
async def get_review(request: Request, response: Response, query: Annotated[ReviewQuery, Query()]) -> ReviewPage:
    """Return unlabelled drawings, no two of them nearly identical. Look at them, then `PUT` their labels.

    One in five is a random sample of all drawings, labelled or not, so that the accuracy on the sample is the accuracy
    of the model; the sample comes first. The others are those whose two highest scores are closest together.

    A returned drawing is reserved for ten minutes. Calls with the same `reviewer` return the drawings reserved for that
    name first; calls without one return different drawings each time. A labelled drawing is not returned again. The
    page is shorter, or empty, when there are no more.
    """
    # Every call returns other drawings.
    response.headers["Cache-Control"] = "no-store"
    return await runtime_of(request).database.write(lambda session: review.offer(session, query))
