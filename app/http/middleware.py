"""Middleware in plain ASGI, which is faster than Starlette's base class."""

import asyncio
import logging
import re
from collections.abc import Callable
from uuid import uuid4

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import get_settings
from app.database.limits import MAX_BODIES_IN_MEMORY
from app.http.problems import BodyTooLarge, Busy, problem_response

log = logging.getLogger("pixelwise")

API_PREFIX = "/api"
MAX_BODY = 64 * 1024
MAX_BODIES = {"/classify/batch": 8 * 1024 * 1024, "/classify/image": 8 * 1024 * 1024}

CORS_REQUEST_HEADERS = ("Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-API-Key", "X-Request-ID")
CORS_RESPONSE_HEADERS = ("ETag", "Link", "Retry-After", "X-Export-Manifest", "X-Request-ID")

# Safe in logs and headers.
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class RefuseToStart:
    """Checks before the lifespan, where an exception would print a traceback."""

    def __init__(self, app: ASGIApp, start_problem: Callable[[], str | None]) -> None:
        self.app = app
        self._start_problem = start_problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            problem = await asyncio.to_thread(self._start_problem)
            if problem is not None:
                await receive()
                await send({"type": "lifespan.startup.failed", "message": f"pixelwise: {problem}"})
                return
        await self.app(scope, receive, send)


class RequestContext:
    """Gives every request an id, and responds to unexpected errors."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        header = (b"x-request-id", request_id.encode())
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            log.info("request %s: the client disconnected before it had sent the whole request", request_id)
        except Exception as error:
            log.exception("request %s failed", request_id)
            if started:
                raise
            await problem_response(error, request_id)(scope, receive, send_with_id)


class ApiPrefix:
    """Serves every path under /api too; `root_path` gives links the prefix."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(API_PREFIX + "/"):
            scope["root_path"] = API_PREFIX
        await self.app(scope, receive, send)


class AllowedOrigins:
    """Lets pages of CORS_ORIGINS call the API."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._with_cors: dict[tuple[str, ...], ASGIApp] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = get_settings().cors_origins if scope["type"] == "http" else ()
        app = self._allowing(origins) if origins else self.app
        await app(scope, receive, send)

    def _allowing(self, origins: tuple[str, ...]) -> ASGIApp:
        if origins not in self._with_cors:
            self._with_cors[origins] = CORSMiddleware(
                self.app,
                allow_origins=origins,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=CORS_REQUEST_HEADERS,
                expose_headers=CORS_RESPONSE_HEADERS,
            )
        return self._with_cors[origins]


class BodyLimit:
    """Rejects large bodies by Content-Length, or while they are read, and too many of them at once."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._in_memory = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = MAX_BODIES.get(scope["path"].removeprefix(scope.get("root_path", "")), MAX_BODY)
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > limit:
            error = BodyTooLarge(limit)
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
            return
        received = held = 0

        async def receive_counted() -> Message:
            nonlocal received, held
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            if received > limit:
                raise BodyTooLarge(limit)
            if limit > MAX_BODY:
                self._in_memory += size
                held += size
                if self._in_memory > MAX_BODIES_IN_MEMORY:
                    raise Busy
            return message

        try:
            await self.app(scope, receive_counted, send)
        finally:
            self._in_memory -= held


def _request_id(scope: Scope) -> str:
    given = [value.strip(b" \t") for name, value in scope["headers"] if name == b"x-request-id"]
    return given[0].decode() if len(given) == 1 and _SANE_ID.fullmatch(given[0]) else uuid4().hex
