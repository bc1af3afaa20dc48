"""What happens to every request before its route: an id, and a limit on its body. Plain ASGI, because it is cheap."""

import logging
import re
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLarge, ProblemError, problem_response

log = logging.getLogger("pixelwise")

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
