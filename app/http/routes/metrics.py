from fastapi import APIRouter, Request, Response

from app.http.authentication import ReadKey
from app.http.openapi import documented
from app.http.routing import ApiRoute
from app.http.runtime import runtime_of
from app.metrics.exposition import CONTENT_TYPE, exposition
from app.metrics.instruments import READY
from app.schemas.health import OK
from app.services.threads import in_thread

router = APIRouter(tags=["health"], route_class=ApiRoute)


class TextResponse(Response):
    media_type = "text/plain"


@router.get(
    "/metrics",
    dependencies=[ReadKey],
    response_class=TextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented(401, 403, 422, 429, 503)},
    summary="Get metrics for Prometheus",
)
async def get_metrics(request: Request) -> Response:
    """Return counters, gauges and histograms of all workers in Prometheus' text format."""
    runtime = runtime_of(request)
    runtime.slow_gauges.refresh_soon()
    for check, state in (await runtime.readiness.check()).full.items():
        READY.labels(check).set(state == OK)
    return Response(await in_thread(exposition), media_type=CONTENT_TYPE)
