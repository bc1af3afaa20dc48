"""Checks before the first request, and settings of the process."""

import asyncio
import gc
import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from app.classifier import ModelError, get_classifier, get_shadow_classifier
from app.config import ConfigurationError, get_settings
from app.database import get_database
from app.database.errors import DatabaseError


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


def keep_log_records_small() -> None:
    """Leave out of log records what no line of ours shows; the server writes one for every request.

    See https://docs.python.org/3/howto/logging.html#optimization, which also explains the switch with the odd name.
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def collect_garbage_less_often() -> None:
    """Look for cycles among what requests leave behind only, and less often: a seventh of a request's time otherwise.

    What was loaded by now, some hundred thousand objects, stays until the end and need not be walked through again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)
