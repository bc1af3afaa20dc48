"""uvicorn's access log, with one write for all lines of an event-loop round."""

import asyncio
import logging
from contextlib import suppress
from typing import Final, TextIO

from starlette.types import Scope
from uvicorn.logging import AccessFormatter
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

_STATUSES: Final = {status: line.split(maxsplit=1)[1].decode().strip() for status, line in STATUS_LINE.items()}


class AccessLog:
    def __init__(self) -> None:
        self._stream: TextIO | None = None
        self._lines: list[str] = []

    def take_over(self) -> None:
        """Log in uvicorn's place, if it would write plain lines to a stream."""
        logger = logging.getLogger("uvicorn.access")
        match logger.handlers:
            case [logging.StreamHandler(formatter=AccessFormatter(use_colors=False)) as handler]:
                if logger.isEnabledFor(logging.INFO):
                    self._stream = handler.stream
                    # Without a handler, uvicorn does not log.
                    logger.handlers = []

    def add(self, scope: Scope, status: int) -> None:
        if self._stream is None:
            return
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        request = f"{scope['method']} {get_path_with_query_string(scope)} HTTP/{scope['http_version']}"  # type: ignore[arg-type]
        self._lines.append(f'INFO:     {get_client_addr(scope)} - "{request}" {_STATUSES[status]}\n')  # type: ignore[arg-type]

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines and self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.write("".join(lines))
                self._stream.flush()
