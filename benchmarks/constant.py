"""The floor below PixelWise: its uvicorn, with all its settings, reads a request and answers a constant."""

from collections.abc import Awaitable, Callable
from typing import Any

from app.fast_start import collect_garbage_less_often
from app.http.connection import limit_connections
from app.startup import allow_many_connections, shorten_log_records

BODY = b"""\
{"id":1,"prediction":"7","confidence":0.999706,"scores":{"0":0.0,"1":0.00029,"2":1e-6,"3":0.0,"4":0.0,"5":0.0,"6":0.0,\
"7":0.999706,"8":0.0,"9":3e-6},"model_version":"v1","created_at":"2026-11-26T14:33:12.074789Z"}"""
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", str(len(BODY)).encode()), (b"content-type", b"application/json")],
}
END = {"type": "http.response.body", "body": BODY}

limit_connections()
shorten_log_records()
collect_garbage_less_often()
allow_many_connections()


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answer every request in the same way, after its body."""
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send(END)
