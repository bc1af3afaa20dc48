from fastapi import APIRouter, Request

from app.http.authentication import sees_causes
from app.http.errors import NotReady
from app.http.openapi import documented
from app.http.routing import ApiRoute
from app.http.runtime import runtime_of
from app.schemas.health import OK, Health, HealthWithModel, Readiness
from app.services.health import is_read_only, is_ready

router = APIRouter(prefix="/health", tags=["health"], route_class=ApiRoute)


@router.get("", responses=documented(422), summary="Check that the service responds, and get its model version")
async def health(request: Request) -> HealthWithModel:
    """Return `ok` and the model version, without using the database."""
    return HealthWithModel(status=OK, model_version=runtime_of(request).classifier.version)


@router.get("/live", responses=documented(422), summary="Check that the service responds")
async def live() -> Health:
    """Return `ok` without any checks."""
    return Health(status=OK)


async def run_checks(request: Request) -> dict[str, str]:
    """Return the checks, with causes if the key may see them; log problems."""
    runtime = runtime_of(request)
    checks = await runtime.readiness.check()
    for problem in checks.logged:
        runtime.errors.error(problem, request.state.request_id)
    with_causes = checks.full != checks.public and await sees_causes(request)
    return checks.full if with_causes else checks.public


_FULL = "the disk is full"


@router.get(
    "/ready",
    responses={
        **documented(422),
        **documented(503, detail=f"write: {_FULL}", checks={"model": OK, "schema": OK, "write": _FULL}),
    },
    summary="Check that drawings can be classified and stored",
)
async def ready(request: Request) -> Readiness:
    """Check the model, the schema and a write.

    A key with the scope `read` or `admin` gets the causes in full.

    With READ_DATABASE_URL the status is `reads only` while nothing can be stored and everything else works.
    """
    checks = await run_checks(request)
    if is_read_only(checks):
        return Readiness(status="reads only", checks=checks)
    if not is_ready(checks):
        raise NotReady(checks)
    return Readiness(status="ready", checks=checks)
