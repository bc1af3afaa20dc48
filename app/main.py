"""The application: `uvicorn app.main:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Final

from app import __version__, fast_start

# isort: split
from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp

from app.config import get_settings
from app.http import access_log, docs_pages, openapi, problems, rate_limit_admin, static_page
from app.http.connection import limit_connections
from app.http.edge import Edge
from app.http.routes import (
    audit,
    calibration,
    classify,
    drift,
    export,
    health,
    inference,
    keys,
    labels,
    metrics,
    model_versions,
    results,
    review,
    stats,
)
from app.http.routing import direct_routes
from app.http.runtime import running
from app.startup import allow_many_connections, shorten_log_records, start_problem

ROUTERS: Final = (
    classify.router,
    results.router,
    labels.router,
    review.router,
    stats.router,
    calibration.router,
    drift.router,
    model_versions.router,
    export.router,
    keys.router,
    audit.router,
    health.router,
    inference.router,
    metrics.router,
    static_page.router,
    docs_pages.router,
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    shorten_log_records()
    allow_many_connections()
    rate_limit_admin.limiter.reset()
    async with running(get_settings()) as app.state.runtime:
        yield


class PixelWise(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        stack = super().build_middleware_stack()
        # The edge answers unexpected errors in its place.
        assert isinstance(stack, ServerErrorMiddleware)
        return Edge(stack.app, start_problem, direct_routes(classify.router))


def create_app() -> FastAPI:
    """Build the application without opening the model or the database."""
    app = PixelWise(
        title="PixelWise",
        version=__version__,
        description="Reads hand-drawn digits. A 200 means that the prediction is stored on disk.",
        lifespan=lifespan,
        # Relative to openapi.json.
        servers=[{"url": "."}],
        docs_url=None,
        redoc_url=None,
        # The functions of generated clients have these names.
        generate_unique_id_function=attrgetter("name"),
        # Its redirects would name the Host header.
        redirect_slashes=False,
        # Checking for telemetry receivers takes 1 % of a request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", static_page.FILES)
    app.mount("/static-offline-docs", docs_pages.FILES)
    problems.install(app)
    rate_limit_admin.install(app)
    openapi.complete(app)
    return app


access_log.format_uvicorns_messages()
limit_connections()
app = create_app()
fast_start.collect_garbage_less_often()
