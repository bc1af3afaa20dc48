"""`GET /`: the page."""

from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from app.config import PROJECT_FOLDER

# nginx sends the same.
HEADERS: Final = {
    # Stored text cannot become a script.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # An upgrade replaces all files together.
    "Cache-Control": "no-cache",
}


class _PageFiles(StaticFiles):
    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers.update(HEADERS)
        return response


_FILES: Final = _PageFiles(directory=PROJECT_FOLDER / "app" / "static")
# For a service without nginx.
STATIC: Final = GZipMiddleware(_FILES)

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def get_page(request: Request) -> Response:
    return await _FILES.get_response("index.html", request.scope)
