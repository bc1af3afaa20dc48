"""The application: `uvicorn app.main:app`."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app import __version__
from app.classifier import get_shadow_classifier
from app.config import get_settings
from app.database import get_database
from app.http import authentication, large_bodies, openapi, problems, rate_limit, static_page
from app.http.middleware import AllowedOrigins, ApiPrefix, BodyLimit, RequestContext
from app.http.routes import calibration, classify, drift, export, health, labels, model_versions, results, review, stats
from app.services import shadow
from app.startup import RefuseToStart, collect_garbage_less_often, keep_log_records_small

log = logging.getLogger("pixelwise")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run from the first request to the last."""
    debug = get_settings().debug
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(name)s: %(message)s"
    )
    keep_log_records_small()
    authentication.forget_key()
    large_bodies.configure()
    health.forget_checks()
    collect_garbage_less_often()
    async with rate_limit.running(), shadow.running():
        yield
    get_shadow_classifier.cache_clear()
    await asyncio.to_thread(get_database().close)


def create_app() -> FastAPI:
    """Build the application; nothing is read or opened before the server starts it."""
    # FastAPI's own pages load Swagger from elsewhere; these bring it along.
    app = FastAPIOffline(
        title="PixelWise",
        version=__version__,
        description="Reads hand-drawn digits and remembers every answer: a 200 means the row is on disk.",
        lifespan=lifespan,
        # It would go nowhere, and asking at each request whether it goes somewhere takes a hundredth of its time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    routers = (
        classify.router,
        results.router,
        labels.router,
        review.router,
        stats.router,
        calibration.router,
        drift.router,
        model_versions.router,
        export.router,
        health.router,
        static_page.router,
    )
    for router in routers:
        app.include_router(router)
    app.mount("/static", static_page.STATIC)
    problems.install(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestContext)
    app.add_middleware(AllowedOrigins)
    app.add_middleware(ApiPrefix)
    app.add_middleware(RefuseToStart)
    openapi.add_shapes(app)
    return app


app = create_app()
