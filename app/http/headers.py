from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from app.http.errors import invalid

# Defaults of all responses, also in nginx.
HEADERS: Final[Mapping[str, str]] = {
    # Caches know Authorization, not X-API-Key.
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
RAW_HEADERS: Final = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


def single_header(request: HTTPConnection, name: str) -> str | None:
    """Return the stripped value; raise InvalidRequest if the header is repeated."""
    values = raw_values(request, name.lower().encode())
    if len(values) > 1:
        raise invalid("header", name, "The header is given more than once")
    return values[0].decode("latin-1").strip(" \t") if values else None


def raw_values(request: HTTPConnection, name: bytes) -> list[bytes]:
    """Return the values of a header in lower case; Starlette's `headers` takes longer."""
    return [value for given, value in request.scope["headers"] if given == name]


def link_to_next(request: Request, response: Response, cursor: str | None) -> None:
    """Add the `Link` to the next page, relative to this one."""
    if cursor is not None:
        parameters = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        path = request.scope["route"].path.rpartition("/")[2]
        response.headers["Link"] = f'<{path}?{urlencode([*parameters, ("cursor", cursor)])}>; rel="next"'
