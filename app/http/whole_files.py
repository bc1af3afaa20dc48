"""Static files."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send


class WholeFiles(StaticFiles):
    """Files without ranges, whose errors would not be problems, and with ETags only."""

    def __init__(self, headers: Mapping[str, str], **places: Any) -> None:
        super().__init__(**places)
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [header for header in scope["headers"] if header[0] not in (b"range", b"if-modified-since")]
        await super().__call__({**scope, "headers": headers}, receive, send)

    def get_path(self, scope: Scope) -> str:
        return "" if scope["path"].endswith("/") else super().get_path(scope)

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(self._headers)
        del response.headers["Accept-Ranges"]
        del response.headers["Last-Modified"]
        return response
