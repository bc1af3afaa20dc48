"""`GET /health…`: whether the process answers, and whether it could remember a drawing now."""

import asyncio
import time

from fastapi import APIRouter

from app.classifier import get_classifier
from app.database import get_database
from app.http.openapi import documented
from app.http.problems import NotReady
from app.schemas.health import Health, HealthWithModel, Readiness

router = APIRouter(prefix="/health", tags=["health"])

# Anybody may ask, and the check commits a row: so it is made once a second at most, however many ask.
READY_FOR_S = 1.0
# A disk that hangs must not hang the question.
PATIENCE_S = 4.0


@router.get("", summary="The process answers, and with which model")
async def health() -> HealthWithModel:
    """Say `ok` while the process can answer; `/health/ready` says whether it can work."""
    return HealthWithModel(status="ok", model_version=get_classifier().version)


@router.get("/live", summary="The process answers")
async def live() -> Health:
    """Say `ok` without touching anything: for whoever restarts processes that hang."""
    return Health(status="ok")


_FULL = "database or disk is full"


@router.get(
    "/ready",
    responses=documented(503, detail=f"write: {_FULL}", checks={"model": "ok", "schema": "ok", "write": _FULL}),
    summary="A drawing sent now would be remembered",
)
async def ready() -> Readiness:
    """Check the model, the schema and a real write; 503 names what failed."""
    checks = await _readiness.checks()
    if any(state != "ok" for state in checks.values()):
        raise NotReady(checks)
    return Readiness(status="ready", checks=checks)


class _Readiness:
    """The outcome of the checks, made by whoever asks first and shared for a second."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._checked_at = -READY_FOR_S
        self._checks: dict[str, str] = {}

    async def checks(self) -> dict[str, str]:
        async with self._lock:
            if time.monotonic() - self._checked_at >= READY_FOR_S:
                self._checks = await _check()
                self._checked_at = time.monotonic()
            return self._checks


_readiness = _Readiness()


def forget_checks() -> None:
    """Check anew when next asked; called when the service starts."""
    global _readiness
    _readiness = _Readiness()


async def _check() -> dict[str, str]:
    checks = {"model": "ok" if get_classifier().version else "not loaded"}
    database = get_database()
    for name, check in (("schema", database.read_problem()), ("write", database.write_problem())):
        try:
            async with asyncio.timeout(PATIENCE_S / 2):
                checks[name] = await check or "ok"
        except TimeoutError:
            checks[name] = f"no answer within {PATIENCE_S / 2:g} s"
    return checks
