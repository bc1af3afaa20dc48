"""What every request passes before its route: request id, prefix, HEAD, CORS, the largest body, unexpected errors."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from random import getrandbits
from time import perf_counter
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import ConfigurationError, get_settings
from app.http.access_log import AccessLog
from app.http.body_memory import MAX_LARGE_BODY, BodyMemory
from app.http.cors import AllowedOrigins
from app.http.errors import BodyTooLarge
from app.http.headers import RAW_HEADERS
from app.http.metrics import RequestDurations
from app.http.problems import EXPECTED, response_to
from app.http.telemetry import start_telemetry
from app.http.trace_context import TraceParent, trace_parent

if TYPE_CHECKING:
    from app.http.open_telemetry import OpenTelemetry

log = logging.getLogger("pixelwise")

API_PREFIX = "/api"
MAX_BODY = 64 * 1024
MAX_BODIES = dict.fromkeys(("/classify/batch", "/classify/image", "/v2/models/digits/infer"), MAX_LARGE_BODY)
_VERSION: Final = re.compile("/versions/[^/]+(?=/infer)")

# Safe in logs and headers.
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Edge:
    """Plain ASGI, which is faster than Starlette's base class of middleware."""

    def __init__(
        self, app: ASGIApp, start_problem: Callable[[], str | None], direct: Mapping[tuple[str, str], ASGIApp]
    ) -> None:
        """`direct`: see `app.http.routing.direct_routes`."""
        self.app = app
        self._start_problem = start_problem
        self._direct = direct
        self._allowed_origins = AllowedOrigins(self._respond)
        self._memory = BodyMemory()
        self._access_log = AccessLog()
        self._durations = RequestDurations()
        self._telemetry: OpenTelemetry | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await self._start(scope, receive, send)
            case _:
                await self.app(scope, receive, send)

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check before the lifespan, where an exception would print a traceback."""
        problem = await asyncio.to_thread(self._prepare)
        if problem is not None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": f"pixelwise: {problem}"})
            return

        async def send_after_close(message: Message) -> None:
            # After this message uvicorn waits for nothing.
            if self._telemetry is not None and message["type"] == "lifespan.shutdown.complete":
                await asyncio.to_thread(self._telemetry.close)
            await send(message)

        with self._access_log.in_uvicorns_place():
            await self.app(scope, receive, send_after_close)

    def _prepare(self) -> str | None:
        """Return the problem, if there is one: after an exception uvicorn would serve without a lifespan."""
        try:
            problem = self._start_problem()
            if problem is None:
                self._telemetry = start_telemetry()
        except ConfigurationError as error:
            return str(error)
        except Exception:
            log.exception("the start failed")
            return "the start failed; the traceback is above"
        return problem

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun, status = perf_counter(), 0
        request_id, trace = _ids(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        if trace is not None:
            state["trace_id"] = trace.trace_id
        if self._telemetry is not None:
            self._telemetry.start(scope, trace)
        is_head = scope["method"] == "HEAD"
        if root_path := scope.get("root_path", ""):
            # uvicorn adds --root-path to paths that may have it already.
            scope["path"] = scope["path"].removeprefix(root_path)
            scope["raw_path"] = scope["raw_path"].removeprefix(root_path.encode())
        path = _path(scope["path"], root_path)
        inner = scope
        if is_head or root_path or path != scope["path"]:
            inner = {**scope, "method": "GET" if is_head else scope["method"], "path": path, "root_path": ""}

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                state["response_started"] = True
                status = message["status"]
                given = {name for name, _ in message["headers"]}
                missing = [header for header in RAW_HEADERS if header[0] not in given]
                limit = state.get("rate_limit", ())
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *limit, *missing]
            elif is_head:
                return
            await send(message)
            if is_head:
                # Ends the response, which stops an export.
                await send({"type": "http.response.body", "body": b""})

        respond = self._allowed_origins if get_settings().cors_origins else self._respond
        try:
            await respond(inner, receive, send_with_headers)
        finally:
            self._observe(scope, inner, status, perf_counter() - begun)

    def _observe(self, scope: Scope, routed: Scope, status: int, seconds: float) -> None:
        # A client may disconnect before.
        if status:
            self._durations.add(scope["method"], routed, status, seconds)
            self._access_log.add(scope, status, seconds)
        if self._telemetry is not None and "span" in scope["state"]:
            self._telemetry.end(scope, routed, status, seconds)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        app = self._direct.get((scope["method"], path), self.app)
        without_version = _VERSION.sub("", path) if path.startswith("/v2/") else path
        limit = MAX_BODIES.get(without_version.removesuffix("/"))
        try:
            if limit is None:
                await app(scope, _limited(scope, receive, MAX_BODY), send)
            else:
                await self._respond_to_large(app, scope, _limited(scope, receive, limit), send)
        except ClientDisconnect:
            request_id = scope["state"]["request_id"]
            log.info("request %s: the client disconnected before it had sent the whole request", request_id)
        except Exception as error:
            has_started = "response_started" in scope["state"]
            if has_started and BodyTooLarge in (type(error), type(error.__cause__)):
                # A file is sent while the body is read. uvicorn disconnects.
                return
            if not isinstance(error, EXPECTED):
                log.exception("request %s failed", scope["state"]["request_id"])
            if has_started:
                raise
            await response_to(Request(scope), error)(scope, receive, send)

    async def _respond_to_large(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the body wait for memory."""
        request = object()

        async def receive_with_room() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                await self._memory.add(request, size, more=message.get("more_body", False))
            return message

        try:
            await app(scope, receive_with_room, send)
        finally:
            self._memory.remove(request)


def _limited(scope: Scope, receive: Receive, limit: int) -> Receive:
    """Raise BodyTooLarge, by Content-Length or while the body is read."""
    declared = b"0"
    for name, value in scope["headers"]:
        if name == b"content-length":
            declared = value
            break
    if not declared.isdigit() or len(declared) > 18 or int(declared) > limit:
        raise BodyTooLarge(limit)
    received = 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise BodyTooLarge(limit)
        return message

    return receive_counted


def _path(path: str, root_path: str) -> str:
    """Return the path without /api and a proxy's folder; links must therefore be relative."""
    if (folder := root_path.strip("/")) and path.startswith(f"/{folder}/"):
        path = path.removeprefix(f"/{folder}")
    if path.startswith(API_PREFIX + "/") and path != API_PREFIX + "/":
        return path.removeprefix(API_PREFIX)
    return path


def _ids(scope: Scope) -> tuple[str, TraceParent | None]:
    request_ids: list[bytes] = []
    traces: list[bytes] = []
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            request_ids.append(value.strip(b" \t"))
        elif name == b"traceparent":
            traces.append(value)
    trace = trace_parent(traces) if traces else None
    if len(request_ids) == 1 and _SANE_ID.fullmatch(request_ids[0]):
        return str(request_ids[0], "ascii"), trace
    # Not from the system, which takes 5 % of a request: it need not be a secret.
    return getrandbits(128).to_bytes(16).hex(), trace
