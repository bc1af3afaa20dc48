"""`GET /`: the page."""

from typing import Final

from fastapi import APIRouter, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette.types import Scope

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


class _PageFiles(WholeFiles):
    def get_path(self, scope: Scope) -> str:
        if scope["path"] == "/":
            return _PAGE
        path = super().get_path(scope)
        # The page's links are relative to /.
        return "" if path == _PAGE else path


# Compressed for a service without nginx.
FILES: Final = GZipMiddleware(_PageFiles(HEADERS, directory=PACKAGE_FOLDER / "static"))

router = APIRouter(include_in_schema=False, routes=[Route("/", FILES, methods=["GET"])])


@router.get("/api")
async def go_to_page() -> Response:
    return RedirectResponse("./")


@router.get("/api/")
async def leave_prefix() -> Response:
    return RedirectResponse("../")
