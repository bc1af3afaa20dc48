"""`GET /stats/drift`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.http.authentication import KeyUnlessPublic
from app.http.openapi import documented
from app.http.runtime import runtime_of
from app.schemas.drift import Drift, DriftQuery
from app.services import drift

router = APIRouter(prefix="/stats", tags=["stats"])


@router.get(
    "/drift",
    dependencies=[KeyUnlessPublic],
    responses=documented(401, 422, 429, 503),
    summary="Compare new drawings and predictions with older ones",
)
async def get_drift(request: Request, query: Annotated[DriftQuery, Query()]) -> Drift:
    """Compare the newest drawings with the ones before them: predicted digits, confidence and ink statistics.

    A signal drifts if its difference is both significant (`adjusted_p`) and large (`psi`). With fewer than 300 drawings
    in the window or in the reference the answer is `not enough data`.
    """
    return await runtime_of(request).database.scan(lambda session: drift.drift(session, query))
