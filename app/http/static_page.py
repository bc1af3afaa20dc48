"""`GET /`: the page and its files, without a key."""

from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from app.config import PROJECT_FOLDER

HEADERS: Final = {
    # No other origin and nothing inline, so that stored text cannot become a script.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Browsers revalidate each file, so that after an upgrade no page mixes old and new files.
    "Cache-Control": "no-cache",
}
"""Headers of the page's files. nginx sends the same."""


class _PageFiles(StaticFiles):
    """Static files with HEADERS."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """Return the file, or 304, with HEADERS."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # Passed on unchanged.
        response.headers.update(HEADERS)
        return response


_FILES: Final = _PageFiles(directory=PROJECT_FOLDER / "app" / "static")
# Sends a third of the bytes where no nginx compresses.
STATIC: Final = GZipMiddleware(_FILES)

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def get_page(request: Request) -> Response:
    """Return the page."""
    return await _FILES.get_response("index.html", request.scope)
