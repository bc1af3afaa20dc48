"""`GET /`: the page."""

import re
from typing import Any, Final

from fastapi import APIRouter, Response
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette.staticfiles import NotModifiedResponse
from starlette.types import Receive, Scope, Send

from app.config import PACKAGE_FOLDER
from app.http import headers
from app.http.whole_files import WholeFiles

# nginx sends the same.
HEADERS: Final = {
    **headers.HEADERS,
    # Stored text cannot become a script.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # An upgrade replaces all files together.
    "Cache-Control": "no-cache",
}

_PAGE: Final = "index.html"
_REFUSES_GZIP: Final = re.compile(r"gzip\s*;\s*q\s*=\s*0(\.0*)?\s*(,|$)")


class _PageFiles(WholeFiles):
    def get_path(self, scope: Scope) -> str:
        if scope["path"] == "/":
            return _PAGE
        path = super().get_path(scope)
        # The page's links are relative to /.
        return "" if path == _PAGE else path

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        # The file and its compressed form share an ETag.
        response.headers["ETag"] = f"W/{response.headers['ETag']}"
        if isinstance(response, NotModifiedResponse):
            response.headers["Vary"] = "Accept-Encoding"
        return response


class _Compressed(GZipMiddleware):
    """For a service without nginx; knows `gzip;q=0`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _REFUSES_GZIP.search(Headers(scope=scope).get("Accept-Encoding", "")):
            scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"accept-encoding"]}
        await super().__call__(scope, receive, send)


FILES: Final = _Compressed(_PageFiles(HEADERS, directory=PACKAGE_FOLDER / "static"))

router = APIRouter(include_in_schema=False, routes=[Route("/", FILES, methods=["GET"])])


@router.get("/api")
async def go_to_page() -> Response:
    return RedirectResponse("./")


@router.get("/api/")
async def leave_prefix() -> Response:
    return RedirectResponse("../")
