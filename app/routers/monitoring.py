"""`/stats/calibration` and `/stats/drift`: can the answers still be trusted?"""

from typing import Annotated

from fastapi import APIRouter, Query

from app.database import get_database
from app.errors import documented
from app.schemas.calibration import Calibration, CalibrationQuery
from app.schemas.drift import Drift, DriftQuery
from app.security import KeyUnlessPublic
from app.services import monitoring

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
    return await get_database().scan(lambda session: monitoring.calibration(session, query))


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
    return await get_database().scan(lambda session: monitoring.drift(session, query))
