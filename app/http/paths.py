"""Which paths and methods are served."""

from urllib.parse import quote

from fastapi import Request
from starlette.routing import Match, Mount


def _is_served(request: Request, path: str, method: str) -> bool:
    scope = {**request.scope, "root_path": "", "path": path, "method": method}
    matching = [route for route in request.app.routes if route.matches(scope)[0] is Match.FULL]
    # Mounts have files only, and match all methods.
    return any(method == "GET" or not isinstance(route, Mount) for route in matching)


def allowed_methods(request: Request) -> str:
    """Return all methods of the path, not only those of the first route."""
    path = request.scope["path"]
    served = [method for method in ("GET", "POST", "PUT", "PATCH", "DELETE") if _is_served(request, path, method)]
    return ", ".join([*served, "OPTIONS"]).replace("GET", "GET, HEAD")


def without_slash(request: Request) -> str | None:
    """Return the address without the slash, relative to it, if something is there."""
    path: str = request.scope["path"]
    shorter = path.removesuffix("/")
    if shorter in (path, "/") or not any(_is_served(request, shorter, method) for method in ("GET", request.method)):
        return None
    address = "../" + quote(shorter.rpartition("/")[2])
    query: bytes = request.scope["query_string"]
    return f"{address}?{quote(query, safe='%&=+,;:/?@!$*()')}" if query else address
