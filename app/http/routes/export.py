"""`GET /export`: what was remembered, as a file, streamed from one state of the database."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session
from starlette.types import Message, Receive, Scope, Send

from app.database import get_database
from app.http.authentication import KeyRequired
from app.http.openapi import documented
from app.schemas.export import EXAMPLE_MANIFEST, ExportFormat, ExportManifest, ExportQuery
from app.services.export import Export

log = logging.getLogger("pixelwise")
router = APIRouter(tags=["export"])

STALLED_S: Final = 60.0
"""So long may a client take for one piece; whoever reads nothing must not keep a state of the database for ever."""

_MEDIA_TYPES: Final = {
    ExportFormat.NPZ: "application/zip",
    ExportFormat.JSONL: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8; header=present",
}
_HEADERS: Final[dict[str, Any]] = {
    "X-Export-Manifest": {
        "description": "What the file holds and where it came from, as JSON on one line.",
        "schema": {"type": "string", "contentMediaType": "application/json"},
        "example": EXAMPLE_MANIFEST.one_line(),
    },
    "Content-Disposition": {"description": "A name for the file.", "schema": {"type": "string"}},
}


class Download(StreamingResponse):
    """A body that is given up, and with it the state of the database it comes from, when the client hangs up or stalls.

    Whatever goes wrong after the first byte leaves the body without its end, so that nobody takes a part for the whole.
    """

    def __init__(self, pieces: AsyncGenerator[bytes], name: str, **more: Any) -> None:
        """Take the pieces, of which each must be sent in time, the file's name, and what any response takes."""
        super().__init__(pieces, **more)
        self.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        self.headers["Cache-Control"] = "no-store"
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces, one by one."""
        # Starlette's own way to notice a hang-up cancels again whatever is still awaited, such as the thread whose
        # connection goes back to the pool.
        hung_up = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            async with aclosing(self._pieces):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for piece in self._pieces:
                    if hung_up.done() or not await _was_sent(send, {"body": piece, "more_body": True}):
                        return
            await _was_sent(send, {"body": b"", "more_body": False})
        finally:
            hung_up.cancel()


async def _was_sent(send: Send, part: Message) -> bool:
    try:
        async with asyncio.timeout(STALLED_S):
            await send({"type": "http.response.body", **part})
    except TimeoutError:
        log.warning("an export was given up: its client read nothing for %g s", STALLED_S)
        return False
    return True


@router.get(
    "/export",
    dependencies=[KeyRequired],
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "headers": _HEADERS,
            "content": {media_type.partition(";")[0]: {} for media_type in _MEDIA_TYPES.values()},
        },
        **documented(401, 422, 429, 503),
    },
    summary="Take what was remembered out, to train on or to read",
)
async def export(query: Annotated[ExportQuery, Query()]) -> Response:
    """Download what people labelled, or with `include_unlabelled` everything, as one file from one moment.

    An NPZ file loads like Keras's MNIST (`x_train`, `y_train`, `x_test`, `y_test`), and `python -m training` takes it.
    The same drawing is always on the same side. The header `X-Export-Manifest` says what is in the file. Two exports
    may be under way at once.
    """

    def work(session: Session) -> Iterator[ExportManifest | bytes]:
        made = Export(session, query)
        yield made.manifest
        yield from made.content()

    pieces = cast(AsyncGenerator[Any], get_database().stream(work))
    manifest: ExportManifest = await anext(pieces)
    return Download(
        pieces,
        f"pixelwise-{manifest.created_at:%Y%m%dT%H%M%SZ}.{query.format}",
        media_type=_MEDIA_TYPES[query.format],
        headers={"X-Export-Manifest": manifest.one_line()},
    )
