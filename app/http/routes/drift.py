"""`GET /stats/drift`."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.database import get_database
from app.http.authentication import KeyUnlessPublic
from app.http.openapi import documented
from app.schemas.drift import Drift, DriftQuery
from app.services import drift

router = APIRouter(prefix="/stats", tags=["stats"])


@router.get(
    "/drift",
    dependencies=[KeyUnlessPublic],
    responses=documented(401, 422, 429, 503),
    summary="Whether drawings and answers have changed",
)
async def get_drift(query: Annotated[DriftQuery, Query()]) -> Drift:
    """Compare the newest drawings with those before: the digits read, the confidence, and the ink itself.

    A signal drifts when its difference is both certain (`adjusted_p`) and large (`psi`). Fewer than 300 drawings in the
    window or in the reference say nothing, and the answer is `not enough data`.
    """
    return await get_database().scan(lambda session: drift.drift(session, query))
