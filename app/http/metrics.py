from typing import Final

from prometheus_client import Histogram
from starlette.types import Scope

from app.metrics.instruments import REQUEST_SECONDS

UNKNOWN: Final = "unknown"
FILES: Final = "files"
OTHER_METHOD: Final = "_OTHER"

_METHODS: Final = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
_histograms: Final[dict[tuple[str, str, int], Histogram]] = {}


def observe_request(method: str, scope: Scope, status: int, seconds: float) -> None:
    """Observe by the route's template, which the router has put into the scope."""
    key = (method if method in _METHODS else OTHER_METHOD, _template(scope), status)
    histogram = _histograms.get(key)
    if histogram is None:
        histogram = _histograms[key] = REQUEST_SECONDS.labels(*key)
    histogram.observe(seconds)


def _template(scope: Scope) -> str:
    if route := scope.get("route"):
        path: str = route.path
        return path
    # Folders of files have an endpoint only.
    return FILES if "endpoint" in scope else UNKNOWN
