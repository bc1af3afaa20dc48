"""`/review`: what is most worth a person's look."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.database import get_database
from app.http.authentication import KeyRequired
from app.http.openapi import documented
from app.schemas.review import ReviewPage, ReviewQuery
from app.services import review

router = APIRouter(tags=["labels"])


@router.get(
    "/review",
    dependencies=[KeyRequired],
    responses=documented(401, 422, 429, 503, 507),
    summary="What is most worth a person's look",
)
async def get_review(response: Response, query: Annotated[ReviewQuery, Query()]) -> ReviewPage:
    """Offer drawings that nobody has labelled, no two of them nearly identical: look at them, then `PUT` their labels.

    One in five is drawn at random from all drawings, labelled or not, so that the accuracy over those drawn is that of
    the model; they come first. The others are those whose two highest scores lie closest together.

    What is offered is reserved for ten minutes, in which nobody else is offered it. Calls with the same `reviewer` get
    what is reserved for that name again, first of all; calls without one get other drawings each time. When it is
    labelled, a drawing is never offered again. The page is shorter, or empty, when there are no more.
    """
    # The same question has another answer each time.
    response.headers["Cache-Control"] = "no-store"
    return await get_database().write(lambda session: review.offer(session, query))
