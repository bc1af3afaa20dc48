"""The application: `uvicorn app.main:app`."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic.json_schema import models_json_schema
from starlette.types import ASGIApp, Receive, Scope, Send

from app import __version__, errors, rate_limit, security, shadow, turns
from app.classifier import ModelError, get_classifier, get_shadow_classifier
from app.config import ConfigurationError, get_settings
from app.database import get_database
from app.database.errors import DatabaseError
from app.middleware import AllowedOrigins, ApiPrefix, BodyLimit, RequestContext
from app.routers import classify, export, health, labels, models, monitoring, page, results, review, stats
from app.schemas.classify import BatchRequest, ClassifyRequest
from app.schemas.problems import Problem

log = logging.getLogger("pixelwise")


class RefuseToStart:
    """Check everything a request will need before the first one comes; on failure say why in one line and stop.

    An exception out of the lifespan would be printed with its traceback, so this stands before it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the server's start message, or hand everything else on."""
        if scope["type"] == "lifespan":
            problem = await asyncio.to_thread(_start_problem)
            if problem is not None:
                await receive()
                await send({"type": "lifespan.startup.failed", "message": f"pixelwise: {problem}"})
                return
        await self.app(scope, receive, send)


def _start_problem() -> str | None:
    """Open what the settings name; return None, or why the service must not start."""
    try:
        settings = get_settings()
        settings.require_secret_api_key()
        get_classifier()
        get_shadow_classifier.cache_clear()
        get_shadow_classifier()
        get_database().open()
    except (ConfigurationError, ModelError, DatabaseError) as error:
        return str(error)
    problem = get_database().schema_problem() or get_database().writer_problem()
    if problem is not None:
        get_database().close()
    return problem


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run from the first request to the last."""
    debug = get_settings().debug
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(name)s: %(message)s"
    )
    _log_without_looking_around()
    security.forget_key()
    turns.configure()
    health.forget_checks()
    _spare_the_garbage_collector()
    async with rate_limit.running(), shadow.running():
        yield
    get_shadow_classifier.cache_clear()
    await asyncio.to_thread(get_database().close)


def _log_without_looking_around() -> None:
    """Leave out of log records what no line of ours shows; the server writes one for every request.

    See https://docs.python.org/3/howto/logging.html#optimization, which also explains the switch with the odd name.
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _spare_the_garbage_collector() -> None:
    """Look for cycles among what requests leave behind only, and less often: a seventh of a request's time otherwise.

    What was loaded by now, some hundred thousand objects, stays until the end and need not be walked through again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)


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
        monitoring.router,
        models.router,
        export.router,
        health.router,
        page.router,
    )
    for router in routers:
        app.include_router(router)
    app.mount("/static", page.STATIC)
    errors.install(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestContext)
    app.add_middleware(AllowedOrigins)
    app.add_middleware(ApiPrefix)
    app.add_middleware(RefuseToStart)
    _document_shapes(app)
    return app


def _document_shapes(app: FastAPI) -> None:
    """Add to OpenAPI the shapes that FastAPI cannot see: the body that is read as bytes, and the errors' form."""
    generate = app.openapi
    _, shapes = models_json_schema(
        [(ClassifyRequest, "validation"), (BatchRequest, "validation"), (Problem, "serialization")],
        ref_template="#/components/schemas/{model}",
    )

    def openapi() -> dict[str, Any]:
        schema = generate()
        schema["components"]["schemas"].update(shapes["$defs"])
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it.


app = create_app()
