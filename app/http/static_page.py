"""`GET /`: the page, and what it is made of. It needs no key; what it asks the API for does."""

from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from app.config import PROJECT_FOLDER

HEADERS: Final = {
    # Nothing from elsewhere, nothing inline: text that a stranger stored cannot become a script.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Asked for again each time, which an ETag makes cheap: after an upgrade nobody runs half of the old page.
    "Cache-Control": "no-cache",
}
"""What the files of the page are sent with. nginx, which may serve them instead, sends the same."""


class _PageFiles(StaticFiles):
    """Files with the page's headers."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """Return the file, or 304, with the headers."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # Handed on as they came.
        response.headers.update(HEADERS)
        return response


_FILES: Final = _PageFiles(directory=PROJECT_FOLDER / "app" / "static")
# A third of their size on the wire, where no nginx does the same.
STATIC: Final = GZipMiddleware(_FILES)

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def get_page(request: Request) -> Response:
    """Return the page."""
    return await _FILES.get_response("index.html", request.scope)
