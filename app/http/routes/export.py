import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from app.http.authentication import ReadKey, actor_of
from app.http.lanes import while_connected
from app.http.openapi import documented
from app.http.routing import ApiRoute
from app.http.runtime import runtime_of
from app.schemas.audit import Action
from app.schemas.export import EXAMPLE_MANIFEST, ExportFormat, ExportManifest, ExportQuery
from app.services.export import Export, audit_text

log = logging.getLogger("pixelwise")
router = APIRouter(tags=["export"], route_class=ApiRoute)

STALLED_S: Final = 60.0
"""Time that a client may fall behind; meanwhile a transaction is open."""
PIECE_S: Final = 4.0
"""Time to receive a piece of 256 KiB at the slowest rate."""

_MEDIA_TYPES: Final = {
    ExportFormat.NPZ: "application/zip",
    ExportFormat.JSONL: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8; header=present",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}
_HEADERS: Final[dict[str, Any]] = {
    "X-Export-Manifest": {
        "description": "Contents and origin of the file, as JSON on one line.",
        "schema": {"type": "string", "contentMediaType": "application/json"},
        "example": EXAMPLE_MANIFEST.one_line(),
    },
    "Content-Disposition": {"description": "A filename.", "schema": {"type": "string"}},
}


class Download(StreamingResponse):
    """A streamed file, stopped if the client disconnects or stalls."""

    def __init__(self, pieces: AsyncGenerator[bytes], name: str, **more: Any) -> None:
        super().__init__(pieces, **more)
        self.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # At a disconnect Starlette would cancel the thread that returns the connection to the pool.
        disconnected = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            async with aclosing(self._pieces):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                patience_s = STALLED_S
                async for piece in self._pieces:
                    patience_s = min(STALLED_S, patience_s + PIECE_S)
                    began = time.monotonic()
                    if disconnected.done() or not await _send_in_time(send, piece, patience_s):
                        return
                    patience_s -= time.monotonic() - began
            await _send_in_time(send, b"", patience_s, more=False)
        finally:
            disconnected.cancel()


async def _send_in_time(send: Send, body: bytes, patience_s: float, *, more: bool = True) -> bool:
    try:
        async with asyncio.timeout(patience_s):
            await send({"type": "http.response.body", "body": body, "more_body": more})
    except TimeoutError:
        log.warning("an export was stopped: its client received it too slowly")
        return False
    return True


@router.get(
    "/export",
    dependencies=[ReadKey],
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "headers": _HEADERS,
            "content": {media_type.partition(";")[0]: {} for media_type in _MEDIA_TYPES.values()},
        },
        **documented(401, 403, 422, 429, 503),
    },
    summary="Download predictions and drawings",
)
async def export(request: Request, query: Annotated[ExportQuery, Query()]) -> Response:
    """Download the labelled drawings, or all with `include_unlabelled`, as of one moment.

    An NPZ file has the arrays of Keras's MNIST; `python -m training` reads it. A drawing is always in the same split.
    """

    def work(session: Session) -> Iterator[ExportManifest | bytes | None]:
        return Export(session, query).pieces()

    async def wait_and_read() -> AsyncGenerator[Any]:
        runtime = runtime_of(request)
        async with runtime.lanes.exports.place(request), aclosing(runtime.database.stream(work)) as stream:
            async for piece in stream:
                if piece is not None:
                    yield piece

    pieces = wait_and_read()
    manifest: ExportManifest = await while_connected(request, anext(pieces))
    await runtime_of(request).read_log.add(actor_of(request), Action.EXPORT, audit_text(manifest))
    return Download(
        pieces,
        f"pixelwise-{manifest.created_at:%Y%m%dT%H%M%SZ}.{query.format}",
        media_type=_MEDIA_TYPES[query.format],
        headers={"X-Export-Manifest": manifest.one_line()},
    )
