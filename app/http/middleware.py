"""Middleware in plain ASGI, which is faster than Starlette's base class."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import Final
from uuid import uuid4

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import get_settings
from app.http.body_memory import BodyMemory
from app.http.problems import BodyTooLarge, PreflightRefused, problem_response

log = logging.getLogger("pixelwise")

API_PREFIX = "/api"
MAX_BODY = 64 * 1024
MAX_BODIES = {"/classify/batch": 8 * 1024 * 1024, "/classify/image": 8 * 1024 * 1024}

CORS_REQUEST_HEADERS = ("Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-API-Key", "X-Request-ID")
CORS_RESPONSE_HEADERS = ("ETag", "Link", "Retry-After", "X-Export-Manifest", "X-Request-ID")

# Defaults, also in nginx.
HEADERS: Final[Mapping[str, str]] = {
    # Caches know Authorization, not X-API-Key.
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
RAW_HEADERS: Final = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())

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
    """Gives every request an id, and every response its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        id_header = (b"x-request-id", request_id.encode())

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["response_started"] = True
                given = {name for name, _ in message["headers"]}
                missing = [header for header in RAW_HEADERS if header[0] not in given]
                message["headers"] = [*message["headers"], id_header, *missing]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class HeadAsGet:
    """Answers HEAD like GET without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_start(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                # Then an export stops.
                await send({"type": "http.response.body", "body": b""})

        await self.app({**scope, "method": "GET"}, receive, send_start)


class ApiPrefix:
    """Serves every path under /api and in a proxy's folder too, so links must be relative."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = _without_folder(scope["path"], scope.get("root_path", ""))
            if path.startswith(API_PREFIX + "/") and path != API_PREFIX + "/":
                path = path.removeprefix(API_PREFIX)
            if path != scope["path"]:
                scope = {**scope, "path": path, "root_path": ""}
        await self.app(scope, receive, send)


class AllowedOrigins:
    """Lets pages of CORS_ORIGINS call the API."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._with_cors: dict[tuple[str, ...], CORSMiddleware] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = get_settings().cors_origins if scope["type"] == "http" else ()
        if not origins:
            await self.app(scope, receive, send)
            return
        cors = self._allowing(origins)
        headers = Headers(scope=scope)
        if scope["method"] != "OPTIONS" or "origin" not in headers or "access-control-request-method" not in headers:
            await cors(scope, receive, send)
            return
        response = cors.preflight_response(headers)
        if response.status_code != 200:
            problem = problem_response(PreflightRefused(), scope["state"]["request_id"])
            for name, value in response.headers.items():
                problem.headers.setdefault(name, value)
            response = problem
        await response(scope, receive, send)

    def _allowing(self, origins: tuple[str, ...]) -> CORSMiddleware:
        if origins not in self._with_cors:
            self._with_cors[origins] = CORSMiddleware(
                self.app,
                allow_origins=origins,
                allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=CORS_REQUEST_HEADERS,
                expose_headers=CORS_RESPONSE_HEADERS,
            )
        return self._with_cors[origins]


class UnexpectedErrors:
    """Answers with 500, which allowed origins can read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope["state"]["request_id"]
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:
            log.info("request %s: the client disconnected before it had sent the whole request", request_id)
        except Exception as error:
            log.exception("request %s failed", request_id)
            if "response_started" in scope["state"]:
                raise
            await problem_response(error, request_id)(scope, receive, send)


class BodyLimit:
    """Rejects large bodies by Content-Length, or while they are read, and too many of them at once."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._memory = BodyMemory()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = MAX_BODIES.get(scope["path"].removesuffix("/"), MAX_BODY)
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > limit:
            error = BodyTooLarge(limit)
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
            return
        is_large = limit > MAX_BODY
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            if received > limit:
                raise BodyTooLarge(limit)
            if is_large and message["type"] == "http.request":
                await self._memory.add(receive_counted, size, more=message.get("more_body", False))
            return message

        try:
            await self.app(scope, receive_counted, send)
        finally:
            if is_large:
                self._memory.remove(receive_counted)


def install(app: Starlette, start_problem: Callable[[], str | None]) -> None:
    # The last one added is the outermost.
    for layer in (BodyLimit, UnexpectedErrors, AllowedOrigins, ApiPrefix, HeadAsGet, RequestContext):
        app.add_middleware(layer)
    app.add_middleware(RefuseToStart, start_problem=start_problem)


def _without_folder(path: str, root_path: str) -> str:
    if not root_path:
        return path
    # uvicorn adds --root-path to paths that may have it already.
    path = path.removeprefix(root_path)
    folder = "/" + root_path.strip("/")
    return path.removeprefix(folder) if path.startswith(folder + "/") else path


def _request_id(scope: Scope) -> str:
    given = [value.strip(b" \t") for name, value in scope["headers"] if name == b"x-request-id"]
    return given[0].decode() if len(given) == 1 and _SANE_ID.fullmatch(given[0]) else uuid4().hex
