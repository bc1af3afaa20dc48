"""`GET /docs` and `GET /redoc`."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from app.config import PACKAGE_FOLDER
from app.http.whole_files import WholeFiles

_FOLDER: Final = PACKAGE_FOLDER / "http" / "docs"
_CACHING: Final = {"Cache-Control": "no-cache"}
_HEADERS: Final = {
    **_CACHING,
    # For the search of ReDoc and the pictures of Swagger.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}

_LOGO: Final = "https://cdn.redoc.ly/redoc/logo-mini.svg"

# FastAPI would load these files from a CDN.
FILES: Final = WholeFiles(_CACHING, directory=_FOLDER, packages=[("fastapi_offline", "static")])

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def get_swagger() -> HTMLResponse:
    return HTMLResponse((_FOLDER / "swagger.html").read_text(), headers=_HEADERS)


@router.get("/redoc")
async def get_redoc() -> HTMLResponse:
    return HTMLResponse((_FOLDER / "redoc.html").read_text(), headers=_HEADERS)


@router.get("/static-offline-docs/redoc.standalone.js")
def get_redoc_script() -> Response:
    """Return ReDoc without its logo from another host."""
    script = (files("fastapi_offline") / "static" / "redoc.standalone.js").read_text("utf-8")
    return Response(script.replace(_LOGO, "data:,"), media_type="text/javascript", headers=_CACHING)
