"""What happens to every request before its route: its prefix, its origin, an id, and a limit on its body.

Plain ASGI, because it is cheap.
"""

import logging
import re
from functools import cache
from uuid import uuid4

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import get_settings
from app.http.problems import BodyTooLarge, ProblemError, problem_response

log = logging.getLogger("pixelwise")

API_PREFIX = "/api"
MAX_BODY = 64 * 1024
# What takes more than one drawing of 28 x 28 numbers.
MAX_BODIES = {"/classify/batch": 8 * 1024 * 1024, "/classify/image": 8 * 1024 * 1024}

# What may go into a log and a header as it came: no control characters, no markup, no novel.
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class RequestContext:
    """Give every request an id, put it on every response, and turn what nobody caught into a 500 problem."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
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
            # Nobody is left to answer, and nothing of ours went wrong.
            log.info("request %s: the client hung up before it had sent everything", request_id)
        except Exception:
            log.exception("request %s failed", request_id)
            if started:
                raise
            error = ProblemError("Something went wrong here; the log has it under this request_id.")
            await problem_response(error, request_id)(scope, receive, send_with_id)


class ApiPrefix:
    """Serve every path under /api, too, where the page looks for it: behind nginx that is all there is of the service.

    As ASGI has it, the path stays whole and `root_path` says which part of it is not for the routes; links in answers
    then carry the prefix. See https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(API_PREFIX + "/"):
            scope["root_path"] = API_PREFIX
        await self.app(scope, receive, send)


class AllowedOrigins:
    """Let the pages of CORS_ORIGINS call the API; without any, browsers keep every other page out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        origins = get_settings().cors_origins if scope["type"] == "http" else ()
        app = _with_origins(self.app, origins) if origins else self.app
        await app(scope, receive, send)


@cache
def _with_origins(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-API-Key", "X-Request-ID"],
        expose_headers=["ETag", "Link", "Retry-After", "X-Export-Manifest", "X-Request-ID"],
    )


class BodyLimit:
    """Refuse a body too long for its route: by its declared length before it is read, else once it has grown."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = MAX_BODIES.get(scope["path"].removeprefix(scope.get("root_path", "")), MAX_BODY)
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > limit:
            error = BodyTooLarge(limit)
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise BodyTooLarge(limit)
            return message

        await self.app(scope, receive_counted, send)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return str(value, "ascii")
    return uuid4().hex
