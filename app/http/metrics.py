from collections.abc import Sequence
from typing import Final

from starlette.types import Scope

from app.loop_round import LoopRound
from app.metrics.instruments import REQUEST_SECONDS

UNKNOWN: Final = "unknown"
FILES: Final = "files"
OTHER_METHOD: Final = "_OTHER"

_METHODS: Final = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))


class RequestDurations:
    def __init__(self) -> None:
        self._ended = LoopRound(_observe)

    def add(self, method: str, scope: Scope, status: int, seconds: float) -> None:
        """Observe by the route's template, which the router has put into the scope."""
        self._ended.add(((method if method in _METHODS else OTHER_METHOD, _template(scope), status), seconds))


def _observe(ended: Sequence[tuple[tuple[str, str, int], float]]) -> None:
    durations: dict[tuple[str, str, int], list[float]] = {}
    for labels, seconds in ended:
        durations.setdefault(labels, []).append(seconds)
    for labels, all_seconds in durations.items():
        REQUEST_SECONDS.labels(*labels).observe_all(all_seconds)


def _template(scope: Scope) -> str:
    if route := scope.get("route"):
        path: str = route.path
        return path
    # Folders of files have an endpoint only.
    return FILES if "endpoint" in scope else UNKNOWN
